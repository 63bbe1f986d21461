"""Wrong versions of the program, each a patch: the tests that it names must notice it.

A patch begins with a sentence that says what is wrong, and the test files that should notice it, a line each:
`Tests: tests/domain/test_decision.py`.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = Path(__file__).parent

_TESTS = "Tests: "


@dataclass(frozen=True)
class Mutant:
    """One wrong version.

    Attributes:
        patch: The file, for `git apply`.
        title: What is wrong.
        tests: The test files that should notice it, from the root.
    """

    patch: Path
    title: str
    tests: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.patch.stem

    @classmethod
    def read(cls, patch: Path) -> Mutant:
        head = patch.read_text(encoding="utf-8").partition("\ndiff --git ")[0].splitlines()
        tests = tuple(line.removeprefix(_TESTS) for line in head if line.startswith(_TESTS))
        return cls(patch, head[0], tests)

    def apply(self, tree: Path, *, only_check: bool = False) -> str:
        """Apply the patch to a tree, or check that it applies; return what git says against it, empty when nothing."""
        command = ["git", "apply", *(["--check"] if only_check else []), str(self.patch)]
        # Only the files count: no repository above the tree, and none that a hook has named.
        env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        env["GIT_CEILING_DIRECTORIES"] = str(tree.resolve().parent)
        done = subprocess.run(command, cwd=tree, env=env, check=False, capture_output=True, text=True)
        return "" if done.returncode == 0 else done.stderr.strip() or f"git apply ended with {done.returncode}"


def mutants() -> list[Mutant]:
    """Return all wrong versions, by name."""
    return [Mutant.read(patch) for patch in sorted(FOLDER.glob("*.patch"))]
