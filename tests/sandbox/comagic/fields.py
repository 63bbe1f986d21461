"""Fields of CoMagic's rows: type, and whether they can be filtered and sorted by and are there by default.

They come from `field_table.txt`, which `generate_table.py` writes.
"""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a report or list.

    Attributes:
        type: As the documents say, or `phone` for digits that may be a number.
        documented: False for a name that clients ask for and no page has.
    """

    name: str
    type: str
    filterable: bool
    sortable: bool
    default: bool
    documented: bool = True


Table = dict[str, Field]


def read_tables(text: str) -> dict[str, Table]:
    """Read `[method]` lines, each with its lines of `FSDC type name`, a dash for a letter that does not hold."""
    tables: dict[str, Table] = {}
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            table = tables[line.strip("[]")] = {}
            continue
        flags, kind, name = line.split()
        letters = set(flags)
        table[name] = Field(name, kind, "F" in letters, "S" in letters, "D" in letters, "C" not in letters)
    return tables


TABLES = read_tables(Path(__file__).with_name("field_table.txt").read_text())
# Method -> kind of communication that its rows are made of (None is all) and table.
REPORTS: dict[str, tuple[str | None, Table]] = {
    method: (kind, TABLES[method])
    for method, kind in {
        "get.calls_report": "call",
        "get.chats_report": "chat",
        "get.offline_messages_report": "offline_message",
        "get.goals_report": "goal",
        "get.communications_report": None,
        "get.call_legs_report": "call",
        "get.financial_call_legs_report": "call",
        "get.visitor_sessions_report": None,
        "get.chat_messages_report": "chat",
        "get.campaign_daily_stat": None,
    }.items()
}
# Deals have modules of their own; the fields are those of their documents.
_DEALS = """\
[get.sales_funnel]
FSD- string ext_id
FSD- string name
--D- array stages
[get.deal_contacts]
FSD- string ext_id
FSD- string name
FSD- string component
FSD- iso8601 created_date_time
F-D- array phone_numbers
--D- array emails
[get.deals_history]
FSD- string ext_id
FSD- string name
FSD- iso8601 created_date_time
FSD- iso8601 closed_date_time
FSD- iso8601 modified_stage_date_time
F-D- array contact_ext_ids
FSD- string main_contact_ext_id
FSD- string sales_funnel_ext_id
FSD- string stage_ext_id
FSD- string communication_type
FSD- string source
FSD- number revenue
FSD- number communication_id
--D- string comments
FSD- boolean is_generated
"""
LISTS: dict[str, Table] = {method: table for method, table in TABLES.items() if method not in REPORTS}
LISTS |= read_tables(_DEALS)
