"""A journal as CSV that a Russian spreadsheet program opens right by a double click.

That takes a byte order mark, semicolons, a decimal comma and CRLF. Names come from strangers, so no cell may begin
like a formula.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from crm_bridge.presentation.journal_table import JournalRow
from crm_bridge.translations import Translator

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_LONGEST_NUMBER = 11  # Excel shows a number of 12 digits as 3,75E+11

_COLUMNS = (
    "phone", "communication", "type", "result", "amount", "previous", "date", "comment", "sale_id", "error", "remark"
)  # fmt: skip


def csv_of(rows: Iterable[JournalRow], words: Translator) -> bytes:
    """Write the rows, under a line of headings."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=";", lineterminator="\r\n")
    writer.writerow([words(f"label.{column}") for column in _COLUMNS])
    for row in rows:
        writer.writerow(
            [
                _number(row.phone),
                _number(row.communication_id),
                words(f"kind.{row.communication_type}") if row.communication_id else "",
                words(f"result.{row.result}"),
                row.amount.replace(".", ","),
                row.previous.replace(".", ","),
                row.date,
                harmless(row.comment),
                _number(str(row.data.get("sale_id", ""))),
                harmless(row.error),
                "; ".join(remarks(row, words)),
            ]
        )
    return text.getvalue().encode("utf-8-sig")


def remarks(row: JournalRow, words: Translator) -> list[str]:
    """Say what else there is about a row."""
    said = []
    if others := row.data.get("other_sales"):
        said.append(words("remark.other_sales", ids=", ".join(others)))
    said += [words(f"remark.{name}") for name in ("drifted", "repaired") if row.data.get(name)]
    return said


def harmless(text: str) -> str:
    """Keep a spreadsheet program from taking a text for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _number(digits: str) -> str:
    """Keep a long number from being shown rounded: with a space in it, it is a text."""
    return f"{digits[:3]} {digits[3:]}" if len(digits) > _LONGEST_NUMBER else digits
