"""Builds the source archive the way Terraform does, from the list in source.tf."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

from tests.terraform.configuration import Configuration

FILES = re.compile(r'\$\{setunion\(fileset\(local\.root, "(?P<pattern>[^"]+)"\), \["(?P<single>[^"]+)"\]\)\}')


def files(root: Path) -> list[str]:
    """The files that go into the archive, as paths from `root`.

    Raises:
        ValueError: `local.files` has a form that this function does not know.
    """
    expression = Configuration.read(root / "terraform").locals["files"]
    match = FILES.fullmatch(expression)
    if not match:
        raise ValueError(f"cannot read local.files: {expression}")
    found = {path.relative_to(root).as_posix() for pattern in _spread(match["pattern"]) for path in root.glob(pattern)}
    return sorted(found | {match["single"]})


def _spread(pattern: str) -> list[str]:
    """Return a pattern's alternatives, `*.{py,html}`, one each: Terraform knows them and pathlib does not."""
    match = re.fullmatch(r"(?P<before>[^{}]*)\{(?P<names>[^{}]*)\}(?P<after>[^{}]*)", pattern)
    if match is None:
        return [pattern]
    return [f"{match['before']}{name}{match['after']}" for name in match["names"].split(",")]


def build(root: Path, target: Path) -> None:
    """Write the archive of the project at `root` to `target`."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in files(root):
            archive.writestr(name, (root / name).read_bytes())
