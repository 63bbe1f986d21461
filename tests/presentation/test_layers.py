"""Presentation and translations take plain data: they know no HTTP, no use case, no store, no remote system."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from crm_bridge import presentation, translations

PACKAGES = (presentation, translations)
MAY_USE = {
    "presentation": ("crm_bridge.domain", "crm_bridge.presentation", "crm_bridge.settings", "crm_bridge.translations"),
    "translations": ("crm_bridge.translations",),
}
FOREIGN = ("starlette", "werkzeug", "functions_framework", "httpx", "google", "sqlite3")


def imported(source: ast.AST) -> Iterator[str]:
    """The modules that are imported when the program runs; those for type checkers only are not."""
    for node in ast.iter_child_nodes(source):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
        yield from imported(node)


@pytest.mark.parametrize("package", ["presentation", "translations"])
def test_a_package_imports_only_what_stands_below_it(package: str) -> None:
    folder = next(Path(each.__path__[0]) for each in PACKAGES if each.__name__.endswith(package))
    files = list(folder.rglob("*.py"))
    assert len(files) > 2
    for path in files:
        for name in imported(ast.parse(path.read_text())):
            assert not name.startswith("crm_bridge") or name.startswith(MAY_USE[package]), f"{path.name}: {name}"
            assert not name.startswith(FOREIGN), f"{path.name}: {name}"
