"""`make mutants`: try every wrong version of the program, and print which test has noticed it.

It ends with 1 when a wrong version survives its tests, or when a patch no longer applies.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.mutants import ROOT, Mutant, mutants

_COPIED = ("function", "tests", "pyproject.toml")
_LONGEST = 600  # seconds
_FAILED, _PASSED = 1, 0  # what pytest ends with


@dataclass(frozen=True)
class Outcome:
    """What became of one wrong version.

    Attributes:
        caught: Its tests have noticed it.
        by: The test that noticed it, else what happened.
    """

    caught: bool
    by: str


def main() -> int:
    parser = argparse.ArgumentParser(prog="make mutants", description="Try wrong versions of the program.")
    parser.add_argument("names", nargs="*", help="only these")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="how many at once")
    arguments = parser.parse_args()
    known = {mutant.name: mutant for mutant in mutants()}
    if unknown := set(arguments.names) - known.keys():
        parser.error(f"there is no mutant {', '.join(sorted(unknown))}")
    chosen = [known[name] for name in arguments.names or known]

    every_test = sorted({test for mutant in chosen for test in mutant.tests})
    right = _test(None, every_test, options=["-n", str(arguments.jobs), "--dist", "loadfile"])
    if right.by != "":
        print(f"The tests do not pass on the program as it is: {right.by}")
        return 1
    with ThreadPoolExecutor(arguments.jobs) as pool:
        outcomes = list(pool.map(_try, chosen))
    width = max(len(mutant.name) for mutant in chosen)
    for mutant, outcome in zip(chosen, outcomes, strict=True):
        print(f"{mutant.name:{width}}  {'caught' if outcome.caught else 'SURVIVED'}  {outcome.by}")
    survived = sum(not outcome.caught for outcome in outcomes)
    print(f"{len(chosen)} wrong versions: {len(chosen) - survived} caught, {survived} survived")
    return 1 if survived else 0


def _try(mutant: Mutant) -> Outcome:
    outcome = _test(mutant, mutant.tests, options=["-p", "no:xdist"])
    print(f"{mutant.name}: {outcome.by or 'nothing noticed it'}", file=sys.stderr, flush=True)
    return outcome if outcome.by else Outcome(caught=False, by=f"{mutant.title} ({', '.join(mutant.tests)})")


def _test(mutant: Mutant | None, tests: Collection[str], *, options: Sequence[str]) -> Outcome:
    """Run tests on a copy of the tree, up to the first that fails; `by` is empty when all pass."""
    with _copy() as tree:
        if mutant is not None and (problem := mutant.apply(tree)):
            return Outcome(caught=False, by=f"the patch does not apply: {problem}")
        quick = ["-x", "-q", "--tb=no", "-rfE", "-p", "no:cacheprovider", "-k", "not firestore"]
        # Whichever example fails: nobody reads it, and to make it small takes minutes.
        env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "FAULTS_SHRINK": "no"}
        env.pop("PYTHONPATH", None)
        try:
            done = subprocess.run(
                [sys.executable, "-m", "pytest", *quick, *options, *tests],
                cwd=tree,
                env=env,
                check=False,
                capture_output=True,
                text=True,
                timeout=_LONGEST,
            )
        except subprocess.TimeoutExpired:
            return Outcome(caught=False, by=f"its tests did not end within {_LONGEST} s")
    if done.returncode == _PASSED:
        return Outcome(caught=False, by="")
    failed = [line.removeprefix("FAILED ") for line in done.stdout.splitlines() if line.startswith("FAILED ")]
    if done.returncode == _FAILED and failed:
        return Outcome(caught=True, by=failed[0].partition(" - ")[0])
    return Outcome(caught=False, by=f"pytest ended with {done.returncode}: {done.stdout[-500:]}{done.stderr[-500:]}")


@contextmanager
def _copy() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        for name in _COPIED:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / name, tree / name)
        yield tree


if __name__ == "__main__":
    sys.exit(main())
