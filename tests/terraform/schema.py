"""Checks .tf files against `schema.json`, without Terraform and without a network.

What Terraform would only say with the provider at hand, and for the oldest version that we promise: unknown, read-only,
missing and misplaced names, values outside an enumeration, references to what is not declared.
"""

from __future__ import annotations

import difflib
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from hcl2.parser import parser

Spec = Mapping[str, Any]

SCHEMA: Spec = json.loads((Path(__file__).parent / "schema.json").read_text())
META_ARGUMENTS = {"count", "for_each", "provider", "depends_on"}
META_BLOCKS = {"lifecycle", "provisioner", "connection"}
REFERENCE = re.compile(
    r"(?<![\w.])(var|local|module|data\.\w+|[a-z]\w*_\w+)\.([A-Za-z_][\w-]*)(?:\[[^\]]*\])*(?:\.([A-Za-z_]\w*))?"
)
PROVIDERS = re.compile(r"(data\.)?(google|archive|time)_")
NOT_CODE = ("STRING_CHARS", "ESCAPED_INTERPOLATION", "NL_OR_COMMENT")


def findings(files: Iterable[Path], *, provider: str) -> list[str]:
    """Check the files of one folder.

    Args:
        files: The folder's .tf files.
        provider: The version of the google provider.

    Returns:
        What is wrong, each with its file and line.
    """
    checker = _Checker(provider)
    trees = [(path.name, parser().parse(path.read_text() + "\n")) for path in files]
    for name, tree in trees:
        checker.file = name
        checker.declare(tree)
    for name, tree in trees:
        checker.file = name
        checker.references(tree)
        checker.resources(tree)
    return sorted(checker.found)


class _Checker:
    def __init__(self, provider: str) -> None:
        self.provider = _version(provider)
        self.file = ""
        self.found: set[str] = set()
        self._declared: dict[str, set[str]] = {}

    def _say(self, line: int, message: str) -> None:
        self.found.add(f"{self.file}:{line}: {message}")

    def declare(self, tree: Any) -> None:
        for block, labels, body, line in _blocks(tree.children[0]):
            kinds = {"variable": "var", "module": "module", "resource": labels[0] if labels else ""}
            kind = {"locals": "local", "data": f"data.{labels[0]}" if labels else ""}.get(block, kinds.get(block, ""))
            names = [name for name, _ in _attributes(body)] if block == "locals" else labels[-1:] if kind else []
            for name in names:
                if name in self._declared.setdefault(kind, set()):
                    self._say(line, f"{kind}.{name} is declared twice")
                self._declared[kind].add(name)

    def references(self, tree: Any) -> None:
        for node in tree.iter_subtrees_topdown():
            if node.data != "attribute":
                continue
            for kind, name, attribute in REFERENCE.findall(_code(node)):
                spec = SCHEMA["data" if kind.startswith("data.") else "resources"].get(kind.removeprefix("data."))
                if name not in self._declared.get(kind, ()):
                    if kind in {"var", "local", "module", *self._declared} or PROVIDERS.match(kind):
                        self._say(node.meta.line, f"reference to undeclared {kind}.{name}")
                elif (
                    spec
                    and attribute
                    and attribute not in {**self._live(spec, "attributes"), **self._live(spec, "blocks")}
                ):
                    self._say(node.meta.line, f"{kind}.{name} has no attribute '{attribute}'")

    def resources(self, tree: Any) -> None:
        for block, labels, body, line in _blocks(tree.children[0]):
            if block in {"resource", "data"}:
                spec = SCHEMA["data" if block == "data" else "resources"].get(labels[0])
                if spec:
                    self._body(spec, body, ".".join(labels), line, top=True)
                else:
                    self._say(line, f"{'.'.join(labels)}: schema.json does not know this type")

    def _body(self, spec: Spec, body: Any, where: str, line: int, *, top: bool = False) -> None:  # noqa: C901 - a branch for each rule
        attributes, blocks = self._live(spec, "attributes"), self._live(spec, "blocks")
        seen: Counter[str] = Counter()
        dynamic = set()
        for name, node in _attributes(body):
            seen[name] += 1
            if name in attributes:
                self._attribute(attributes[name], node, f"{where}.{name}")
            elif name in blocks:
                dynamic.add(name)
                if not blocks[name].get("attr_ok"):
                    self._say(node.meta.line, f"{where}.{name} is a block, write it without '='")
            elif not (top and name in META_ARGUMENTS):
                self._unknown(node.meta.line, where, name, [*attributes, *blocks])
        for name, labels, inner, block_line in _blocks(body):
            block, content = name, inner
            if name == "dynamic":
                block = labels[0]
                content = next(found for kind, _, found, _ in _blocks(inner) if kind == "content")
                dynamic.add(block)
            if block in blocks:
                seen[block] += 1
                self._body(blocks[block], content, f"{where}.{block}", block_line)
            elif block in attributes:
                seen[block] += 1
                self._say(block_line, f"{where}.{block} is an attribute, write it with '='")
            elif not (top and block in META_BLOCKS):
                self._unknown(block_line, where, block, [*attributes, *blocks])
        for name, attribute in attributes.items():
            if self._mode(attribute) == "required" and not seen[name]:
                self._say(line, f"{where}: missing required attribute '{name}'")
            if seen[name] > 1:
                self._say(line, f"{where}: '{name}' set twice")
        for name, block in blocks.items():
            if name not in dynamic and not block["min"] <= seen[name] <= (block["max"] or seen[name]):
                self._say(line, f"{where}: block '{name}' appears {seen[name]} times")

    def _attribute(self, attribute: Spec, node: Any, where: str) -> None:
        if self._mode(attribute) == "computed":
            self._say(node.meta.line, f"{where} is read-only")
        literal = re.fullmatch(r'"([^"$%\\]*)"', _text(node.children[-1]))
        allowed = attribute.get("enum")
        if literal and allowed and attribute["type"] == "string" and literal[1] not in allowed:
            self._say(node.meta.line, f'{where} = "{literal[1]}" is not one of {", ".join(allowed)}')

    def _unknown(self, line: int, where: str, name: str, names: Iterable[str]) -> None:
        near = difflib.get_close_matches(name, names, 1)
        self._say(line, f"{where} has no '{name}'" + (f" (did you mean {near[0]}?)" if near else ""))

    def _live(self, spec: Spec, part: str) -> dict[str, Any]:
        """The names that exist in the chosen version of the provider."""
        return {
            name: entry
            for name, entry in (spec.get(part) or {}).items()
            if _version(entry.get("since", "0")) <= self.provider
            and ("removed_in" not in entry or self.provider < _version(entry["removed_in"]))
        }

    def _mode(self, attribute: Spec) -> str:
        change = attribute.get("becomes")
        if change and _version(change["in"]) <= self.provider:
            return str(change["mode"])
        return "required" if attribute.get("required") else "optional" if attribute.get("optional") else "computed"


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


def _text(node: Any) -> str:
    return ("".join(map(_text, node.children)) if hasattr(node, "data") else str(node)).strip()


def _code(attribute: Any) -> str:
    """The expression of an attribute without what is only text."""
    code = ""
    for token in attribute.children[-1].scan_values(lambda token: token.type not in NOT_CODE):
        text = str(token).strip()
        if "HEREDOC" in token.type:
            text = " ".join(re.findall(r"(?<!\$)\$\{(.*?)\}", token))
        glued = token.type in {"DOT", "LSQB", "RSQB"} or code.endswith((".", "["))
        code += text if glued else f" {text}"
    return code


def _attributes(body: Any) -> list[tuple[str, Any]]:
    nodes = body.children if body is not None else ()
    return [(_text(node.children[0]), node) for node in nodes if getattr(node, "data", None) == "attribute"]


def _blocks(body: Any) -> list[tuple[str, list[str], Any, int]]:
    """The blocks of a body: name, labels, body, line."""
    blocks = []
    for node in body.children if body is not None else ():
        if getattr(node, "data", None) == "block":
            heads = [
                _text(child).strip('"')
                for child in node.children
                if getattr(child, "data", None) in {"identifier", "string"}
            ]
            inner = next((child for child in node.children if getattr(child, "data", None) == "body"), None)
            blocks.append((heads[0], heads[1:], inner, node.meta.line))
    return blocks
