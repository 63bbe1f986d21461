"""A journal as CSV that a Russian spreadsheet program opens by a double click.

Such a program needs a byte order mark, semicolons, a decimal comma and CRLF. Services are named by strangers, so no
cell may begin like a formula.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence

from crm_bridge.presentation.journal_table import JournalRow
from crm_bridge.translations import Translator

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
_BEHIND_SEPARATOR = re.compile(r"""([,;|\t\r\n][\s"']*)(?=[=+\-@＝＋－＠])""")
"""Where another cell begins for a program that takes another separator than ours."""

_LONGEST_NUMBER = 11  # Excel shows a number of 12 digits as 3,75E+11

COLUMNS = (
    "phone", "communication", "type", "result", "amount", "previous", "date", "comment", "sale_id", "error", "remark"
)  # fmt: skip


def csv_of(rows: Iterable[JournalRow], t: Translator, *, refused_deals: Sequence[Mapping[str, str]] = ()) -> bytes:
    """Write the rows, under a line of headings.

    Args:
        rows: A line each.
        t: The reader's language.
        refused_deals: `errors` of a journal's `deals`; a line each below the phones, without a sum.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=";", lineterminator="\r\n")
    writer.writerow([t(f"label.{column}") for column in COLUMNS])
    for row in rows:
        writer.writerow(
            [
                _number(row.phone),
                _number(row.communication_id),
                t(f"kind.{row.communication_type}") if row.communication_id else "",
                t(f"result.{row.result}"),
                row.amount.replace(".", ","),
                row.previous.replace(".", ","),
                row.date,
                harmless(row.comment),
                _number(str(row.data.get("sale_id", ""))),
                harmless(row.error),
                "; ".join(remarks(row, t)),
            ]
        )
    for deal in refused_deals:
        cells = dict.fromkeys(COLUMNS, "") | {
            "type": t("label.deal"),
            "result": t("result.failed"),
            "comment": harmless(f"{t('label.order')} {deal['number']}"),
            "error": harmless(t.from_english(deal["error"])),
        }
        writer.writerow([cells[column] for column in COLUMNS])
    return text.getvalue().encode("utf-8-sig")


def remarks(row: JournalRow, t: Translator) -> list[str]:
    """Return the remarks on a row: why its sum has fallen, other sales of the phone, and what a run repaired."""
    found = []
    if reason := row.data.get("reason"):
        found.append(t(f"fall.{reason}"))
    if others := row.data.get("other_sales"):
        found.append(t("remark.other_sales", ids=", ".join(others)))
    found += [t(f"remark.{name}") for name in ("drifted", "repaired", "not_shown", "date_moved") if row.data.get(name)]
    if why := row.data.get("why"):
        found.append(t(f"why.{why}"))
    if other := row.data.get("would_be_on"):
        found.append(t("remark.would_be_nowhere") if other == "not found" else t("remark.would_be_on", id=other))
    return found


def harmless(text: str) -> str:
    """Quote what a spreadsheet program would read as a formula, at the beginning or behind any separator."""
    text = _BEHIND_SEPARATOR.sub(r"\1'", text)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _number(digits: str) -> str:
    """Put a space into a long number, which makes it a text: a number would be shown rounded."""
    return f"{digits[:3]} {digits[3:]}" if len(digits) > _LONGEST_NUMBER else digits
