"""The table of what each foreign client asks of CoMagic and gets: `python -m tests.foreign_clients.table`."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent
CALLS: dict[str, list[dict[str, Any]]] = json.loads((_HERE / "calls.json").read_text())
SHAPES: list[dict[str, Any]] = json.loads((_HERE / "shapes.json").read_text())


def table() -> str:
    """Return it as Markdown."""
    lines = ["| client | asks | gets |", "|---|---|---|"]
    for name, calls in CALLS.items():
        counts = Counter(call["gets"].partition(":")[0] for call in calls)
        fine = counts["rows"] + counts["answer"]
        lines.append(f"| {name} (PyPI, as it is) | {len(calls)} calls | {fine} answered as it expects |")
        others = (call for call in calls if call["gets"] not in ("rows", "answer"))
        lines.extend(f"| | `{call['call']}` | {call['gets']}: {call['why']} |" for call in others)
    for shape in SHAPES:
        fields = len(shape["params"].get("fields", ()))
        named = f", {fields} fields" if fields else ""
        why = f": {shape['why']}" if "why" in shape else ""
        lines.append(
            f"| {shape['program']} ({shape['language']}) | `{shape['method']}`{named} | {shape['gets']}{why} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(table(), end="")
