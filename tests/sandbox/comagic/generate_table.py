"""Write `field_table.txt` from `documented.json`: `python -m tests.sandbox.comagic.generate_table`.

The documents say one thing, the wire another in a few places. Both are data: the documents are `documented.json`, what
is known better stands here, each with its evidence, and the sandbox reads only the table that comes out.
"""

import json
from pathlib import Path
from typing import Any

DOCUMENTED = Path(__file__).with_name("documented.json")
TABLE = Path(__file__).with_name("field_table.txt")

_HEAD = """\
# Every field of every `get` method that the sandbox knows. Written by generate_table.py from documented.json.
# F it can be filtered by; S sorted by; D is there by default; C no page documents it, clients name it.
"""
# (method, field) -> its type or its flags on the wire.
CORRECTIONS: dict[tuple[str, str], tuple[str | None, str | None]] = {
    # Documented as a number; an ETL in Go decodes a string, another client calls int() on it.
    ("get.chats_report", "visitor_phone_number"): ("phone", None),
    ("get.offline_messages_report", "visitor_phone_number"): ("phone", None),
    # Not sortable by the table; a client in production sorts messages by it.
    ("get.offline_messages_report", "date_time"): (None, "S"),
}


def table_text(documented: dict[str, Any]) -> str:
    """Return the text of the table."""
    parts = [_HEAD]
    for method, fields in documented["fields"].items():
        parts.append(f"\n[{method}]\n")
        # A table without any default has no such column: everything comes.
        all_default = not any("D" in flags for _, flags in fields.values())
        for name, (kind, flags) in fields.items():
            other_kind, other_flags = CORRECTIONS.get((method, name), (None, None))
            shown = (flags if other_flags is None else other_flags) + ("D" if all_default else "")
            parts.append(_line(shown, other_kind or kind, name))
        for name, (kind, flags) in documented["named_by_clients"].get(method, {}).items():
            parts.append(_line(f"{flags}C", kind, name))
    return "".join(parts)


def _line(flags: str, kind: str, name: str) -> str:
    return f"{''.join(letter if letter in flags else '-' for letter in 'FSDC')} {kind} {name}\n"


def main() -> None:
    """Write the table."""
    TABLE.write_text(table_text(json.loads(DOCUMENTED.read_text())))


if __name__ == "__main__":
    main()
