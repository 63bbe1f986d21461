"""Fields of CoMagic's rows: type, and whether they can be filtered and sorted by and are there by default."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a report."""

    name: str
    type: str
    filterable: bool
    sortable: bool
    default: bool


Table = dict[str, Field]


def _table(text: str) -> Table:
    """Read lines of `<F><S><D> <type> <names>`, a dash for a letter that does not hold."""
    table: Table = {}
    for line in text.strip().splitlines():
        flags, kind, *names = line.split()
        for name in names:
            table[name] = Field(name, kind, flags[0] == "F", flags[1] == "S", flags[2] == "D")
    return table


_CALLS = """
F-D int id communication_id
--D str communication_type
-SD dt start_time
--D dt finish_time
FSD enum finish_reason direction source
FSD bool is_lost
F-D str contact_phone_number
FSD str virtual_phone_number
F-D int wait_duration total_wait_duration talk_duration clean_talk_duration total_duration
FSD int cpn_region_id cpn_country_id
FSD str cpn_region_name cpn_country_name
--D list call_records wav_call_records
--D str full_record_file_link
F-- list tags
FS- dt sale_date
FS- num sale_cost
F-- int contact_id
F-- str contact_full_name
FS- str ext_id
FS- int communication_number visitor_id site_id campaign_id scenario_id
F-- int person_id visitor_session_id
F-- str site_domain_name campaign_name scenario_name
FS- bool is_transfer
F-- list attributes employees
F-- str utm_source utm_medium utm_term utm_content utm_campaign
F-- str eq_utm_source eq_utm_medium eq_utm_term eq_utm_content eq_utm_campaign
F-- str gclid yclid channel search_engine search_query referrer referrer_domain entrance_page
FS- int source_id
FS- str source_name source_new channel_new channel_code
F-- str call_api_external_id
F-- int call_api_request_id
F-- int last_answered_employee_id first_answered_employee_id last_talked_employee_id first_talked_employee_id
F-- str last_answered_employee_full_name first_answered_employee_full_name
F-- str last_talked_employee_full_name first_talked_employee_full_name
"""

_CHATS = """
F-D int id communication_id
--D str communication_type
-SD dt date_time
F-D phone visitor_phone_number
FS- str ext_id
F-- list tags
FS- dt sale_date
FS- num sale_cost
FSD int visitor_id site_id campaign_id
FS- int person_id visitor_session_id
FSD enum status initiator
F-D str duration
F-- int employee_raiting
FS- enum chat_channel_type
FS- str chat_user_id chat_username
"""

# The table does not let messages be sorted by their time; a client in production does it, so it is let through.
_MESSAGES = """
F-D int id communication_id
--D str communication_type
-S- dt date_time
F-D phone visitor_phone_number
F-D str visitor_email visitor_name
FS- str ext_id
F-- list tags
FS- dt sale_date
FS- num sale_cost
FSD int visitor_id site_id campaign_id
FS- int person_id
F-D int visitor_session_id
--D str text
F-D enum form_type
FS- str form_name
FSD enum status
F-- dt process_time
"""

_COMMUNICATIONS = """
F-D int id
F-D enum communication_type
FSD dt date_time
F-- list tags
FS- dt sale_date
FS- num sale_cost
FSD int visitor_id site_id campaign_id
F-D int person_id visitor_session_id
FS- int communication_number
"""

_GOALS = """
F-D int id communication_id
--D str communication_type
--- dt date_time
F-D str ext_id
F-- list tags
FS- dt sale_date
FS- num sale_cost
FS- int visitor_id
F-- int person_id visitor_session_id
FSD int site_id campaign_id
F-D str name
F-D enum type source
"""

# Method -> table. The kind of communication stands beside those of reports.
REPORTS: dict[str, tuple[str | None, Table]] = {
    "get.calls_report": ("call", _table(_CALLS)),
    "get.chats_report": ("chat", _table(_CHATS)),
    "get.offline_messages_report": ("offline_message", _table(_MESSAGES)),
    "get.goals_report": ("goal", _table(_GOALS)),
    "get.communications_report": (None, _table(_COMMUNICATIONS)),
}
LISTS: dict[str, Table] = {
    "get.account": _table("F-D int app_id\nF-D str name timezone"),
    "get.tags": _table("F-D int id\nFSD str name\nF-D bool is_system"),
    "get.sites": _table("FSD int id\nFSD str domain_name\nFS- bool sales_enabled"),
}
