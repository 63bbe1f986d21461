"""Our documents as data: headings, links, code, tables."""

from __future__ import annotations

import json
import re
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.function_process import ROOT

_FENCED = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"(`+)(.+?)\1", re.DOTALL)
_LINK = re.compile(r"\[[^\]\n]*(?:\n[^\]\n]*)?\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    """A fenced block of code."""

    language: str
    text: str


@dataclass(frozen=True)
class Command:
    """A line of a console block and what the document prints below it."""

    line: str
    output: str


@dataclass(frozen=True)
class Document:
    """One Markdown file of the repository.

    Attributes:
        name: Its path from the root.
    """

    name: str

    @property
    def path(self) -> Path:
        return ROOT / self.name

    @property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @property
    def prose(self) -> str:
        """The text without blocks of code."""
        return _FENCED.sub("", self.text)

    @property
    def blocks(self) -> list[Block]:
        return [Block(language, textwrap.dedent(text)) for _, language, text in _FENCED.findall(self.text)]

    @property
    def spans(self) -> list[str]:
        """What stands in backticks, each on one line."""
        return [" ".join(text.split()) for _, text in _SPAN.findall(self.prose)]

    @property
    def links(self) -> list[str]:
        return _LINK.findall(_SPAN.sub("`code`", self.prose))

    @property
    def anchors(self) -> set[str]:
        """The names that the forge gives to the headings."""
        names: set[str] = set()
        for title in re.findall(r"^#{1,6} +(.+?) *$", self.prose, re.MULTILINE):
            plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title)
            slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
            names.add(slug if slug not in names else f"{slug}-1")
        return names

    @property
    def commands(self) -> list[Command]:
        """The commands of the console blocks, in their order."""
        found = []
        for block in self.blocks:
            if block.language == "console":
                parts = re.split(r"^\$ ", block.text, flags=re.MULTILINE)
                assert not parts[0].strip(), f"{self.name}: a console block begins without a command"
                for part in parts[1:]:
                    line, _, output = part.partition("\n")
                    found.append(Command(line.partition("  #")[0].strip(), output.strip()))
        return found

    def table(self, heading: str) -> list[list[str]]:
        """Return the rows of the one table whose first line of headings begins with this."""
        (rows,) = re.findall(rf"^\| {re.escape(heading)}.*\|\n\|[-|]+\|\n((?:\|.*\|\n)+)", self.text, re.MULTILINE)
        return [
            [cell.strip() for cell in re.split(r"(?<!\\)\|", row.strip().strip("|"))]
            for row in rows.strip().splitlines()
        ]

    def __str__(self) -> str:
        return self.name


def _all() -> list[Document]:
    files = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "terraform" / "README.md"]
    files += (ROOT / "deploy").glob("*.md")
    files += (ROOT / "tests").rglob("README.md")
    return sorted((Document(str(file.relative_to(ROOT))) for file in files), key=str)


DOCUMENTS = _all()
OURS = [each for each in DOCUMENTS if not each.name.startswith("docs/remote/")]
"""Those about this project; the others describe the remote systems."""


def in_code(cell: str) -> list[str]:
    """Return what stands in backticks in a cell of a table."""
    return [text for _, text in _SPAN.findall(cell)]


def json_values(text: str) -> list[Any]:
    """Read JSON values that stand one after the other.

    Raises:
        ValueError: There is something else among them.
    """
    values, rest = [], text.strip()
    while rest:
        value, end = json.JSONDecoder().raw_decode(rest)
        values.append(value)
        rest = rest[end:].strip()
    return values
