"""Imports point one way: nobody imports what stands above him, and no import goes in a circle."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

FUNCTION = Path(__file__).parents[1] / "function"

MAY_IMPORT: dict[str, set[str]] = {
    "errors": {"redaction"},
    "clock": set(),
    "redaction": set(),
    "domain": {"errors"},
    "settings": {"errors", "domain"},
    "logs": {"redaction"},
    "deals_port": {"domain"},
    "ports": {"deals_port", "domain", "errors", "clock", "settings"},
    "services": {"ports", "clock", "settings", "domain"},
    "clients": {"ports", "domain", "errors", "clock", "redaction"},
    "stores": {"ports", "domain", "errors", "clock", "redaction"},
    "translations": {"domain", "errors"},
    "presentation": {"translations", "domain", "settings"},
    "usecases": {"services", "ports", "deals_port", "domain", "errors", "clock", "settings", "logs", "redaction"},
    "handlers": {"usecases", "presentation", "translations", "services", "domain", "errors", "settings", "logs"},
    "wiring": {"clients", "stores", "presentation", "services", "ports", "domain", "clock", "settings", "logs"}
    | {"redaction", "errors"},
    "main": {"handlers", "wiring", "services", "usecases"},
}
"""What a layer may import beside itself; libraries are below all of them."""

LIBRARIES = {
    "starlette": {"main", "handlers"},
    "httpx": {"clients", "wiring"},
    "google": {"stores", "wiring"},
    "jinja2": {"presentation"},
    "tenacity": {"clients"},
    "apprise": {"clients"},
    "functions_framework": {"main"},
}
"""Libraries that only some layers may know."""


def modules() -> dict[str, Path]:
    found = {}
    for path in FUNCTION.rglob("*.py"):
        parts = path.relative_to(FUNCTION).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def layer_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if parts[0] == "crm_bridge" and len(parts) > 1 else parts[0]


def imports_of(path: Path, *, runtime_only: bool = False) -> Iterator[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree) if not runtime_only else _at_import(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _at_import(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield what runs when the module is imported, so not the bodies of functions and of `if TYPE_CHECKING`."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            waiting += node.orelse
            continue
        waiting += ast.iter_child_nodes(node)


@pytest.mark.parametrize("module", sorted(modules()))
def test_a_module_imports_only_what_stands_below_it(module: str) -> None:
    layer = layer_of(module)
    for name in imports_of(modules()[module]):
        top = name.split(".")[0]
        if top in LIBRARIES:
            assert layer in LIBRARIES[top], f"{module} knows {top}"
        if top == "crm_bridge" and name in modules() and layer_of(name) != "crm_bridge":
            assert layer_of(name) in {layer, *MAY_IMPORT[layer]}, f"{module} imports {name}"


def test_every_layer_is_described() -> None:
    assert {layer_of(module) for module in modules()} - {"crm_bridge"} == set(MAY_IMPORT)


def test_no_import_goes_in_a_circle() -> None:
    known = modules()
    graph = {
        module: {name for name in imports_of(path, runtime_only=True) if name in known and name != module}
        for module, path in known.items()
    }

    assert list(TopologicalSorter(graph).static_order())  # raises CycleError for a circle


def test_no_public_name_of_ours_is_private_elsewhere() -> None:
    """A name that begins with an underscore is imported by nobody."""
    for module, path in modules().items():
        for name in imports_of(path):
            assert not name.rpartition(".")[2].startswith("_") or name.endswith("__future__"), f"{module}: {name}"
