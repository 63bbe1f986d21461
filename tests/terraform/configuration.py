"""Our Terraform files as data, read without Terraform."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hcl2

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "terraform"

Body = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """What the files declare. A text is bare; an expression stands as `${...}`."""

    resources: dict[str, Body]
    variables: dict[str, Body]
    outputs: dict[str, Body]
    locals: Body

    @classmethod
    def read(cls, folder: Path = FOLDER) -> Configuration:
        found: dict[str, list[Body]] = {}
        for path in sorted(folder.glob("*.tf")):
            for block, bodies in _bare(hcl2.loads(path.read_text())).items():
                found.setdefault(block, []).extend(bodies)
        return cls(
            resources={
                f"{kind}.{name}": body
                for block in found["resource"]
                for kind, named in block.items()
                for name, body in named.items()
            },
            variables={name: body for block in found["variable"] for name, body in block.items()},
            outputs={name: body for block in found["output"] for name, body in block.items()},
            locals={name: value for block in found["locals"] for name, value in block.items()},
        )

    def of(self, kind: str) -> dict[str, Body]:
        """The resources of one type, by their name."""
        return {
            address.split(".")[1]: body for address, body in self.resources.items() if address.startswith(f"{kind}.")
        }


def _bare(value: Any) -> Any:
    """Without the quotes and the marks that hcl2 adds."""
    if isinstance(value, dict):
        return {_bare(key): _bare(item) for key, item in value.items() if key not in {"__is_block__", "__comments__"}}
    if isinstance(value, list):
        return [_bare(item) for item in value]
    if isinstance(value, str) and value.startswith('"'):
        return re.sub(r"\\(.)", r"\1", value[1:-1])
    return value
