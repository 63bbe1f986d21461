"""Reports whose rows are parts of communications: legs of calls, their charges, sessions, messages of chats, days."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from tests.sandbox.comagic.advertising import CAMPAIGNS, OPERATOR_LINE, VIRTUAL_PHONE
from tests.sandbox.comagic.believable import BELIEVABLE, Getter, campaign_of, dice, employee_of, person_id_of
from tests.sandbox.comagic.filters import RawGetter
from tests.sandbox.comagic.store import Communication
from tests.sandbox.comagic.view import View
from tests.sandbox.local_time import LocalTime

Row = dict[str, Any]
_KOPECKS_A_MINUTE = 180


def _charged(row: Communication) -> int:
    return 0 if row.lost or row.direction == "in" else -(-row.duration // 60)


_ADVERTISED = (
    *("adv_system", "ext_campaign_id", "ext_campaign_name", "keyword_id", "keyword", "banner_id", "banner_name"),
    *("current_banner_id", "old_banner_ids", "group_id", "group_name", "auditory_id", "auditory_name"),
    *("placement_name", "yandex_placement_type", "campaign_type", "device_type", "position_type"),
    *("yandex_region_id", "yandex_region_name", "yandex_region_type"),
)


def _advertised(row: Communication) -> Row:
    """Return what the advertising system knows of a click; all parts are there, most of them null."""
    campaign = campaign_of(row)
    if campaign is None or campaign.engine is None:
        return dict.fromkeys(_ADVERTISED)
    known = {"adv_system": campaign.engine, "ext_campaign_id": str(campaign.id), "ext_campaign_name": campaign.name}
    return dict.fromkeys(_ADVERTISED) | known | {"keyword": BELIEVABLE["search_query"](row)}


_PARTIES: dict[str, Getter] = {
    "calling_phone_number": lambda row: row.phone if row.direction == "in" else VIRTUAL_PHONE,
    "called_phone_number": lambda row: VIRTUAL_PHONE if row.direction == "in" else row.phone,
    "call_session_id": lambda row: row.id,
}
_LEGS: dict[str, Getter] = _PARTIES | {
    "id": lambda row: row.id * 10 + 1,
    "duration": lambda row: 0 if row.lost else row.duration,
    "finish_reason_description": lambda row: "Абонент разорвал соединение",
    "is_transfered": lambda row: False,
    "is_operator": lambda row: not row.lost,
    "is_coach": lambda row: False,
    "is_failed": lambda row: row.lost,
    "is_talked": lambda row: not row.lost,
    "employee_phone_number": lambda row: None if employee_of(row) is None else OPERATOR_LINE,
    "release_cause_code": lambda row: 19 if row.lost else 16,
    "release_cause_description": lambda row: "No answer" if row.lost else "Normal call clearing",
    "action_id": lambda row: 1,
    "action_name": lambda row: "Вызов сотрудника",
    "group_id": BELIEVABLE["group_id"],
    "group_name": BELIEVABLE["group_name"],
}
_CHARGES: dict[str, Getter] = _PARTIES | {
    "leg_id": lambda row: row.id * 10 + 1,
    "duration": lambda row: 0 if row.lost else row.duration,
    "chargeable_duration": lambda row: 60 * _charged(row),
    "direction_type": lambda row: "mobile" if (row.phone or "").startswith("79") else "local",
    "cost_per_minute": lambda row: _KOPECKS_A_MINUTE / 100,
    "total_charge": lambda row: _charged(row) * _KOPECKS_A_MINUTE / 100,
    "bonuses_charge": lambda row: 0,
}
_SESSIONS: dict[str, Getter] = {
    "id": BELIEVABLE["visitor_session_id"],
    "duration": lambda row: 60 + dice(row, 20, 600),
    "exit_page": lambda row: None,
    "visitor_ip_address": lambda row: f"198.51.100.{1 + dice(row, 21, 250)}",
    "visitor_browser_name": lambda row: ("Chrome", "Safari", "Firefox")[dice(row, 22, 3)],
    "visitor_os_name": lambda row: ("Android", "iOS", "Windows")[dice(row, 23, 3)],
    "visitor_screen": lambda row: "1080x1920",
    "visitor_language": lambda row: "ru",
    "hits_count": lambda row: 1 + dice(row, 24, 9),
    "hits": lambda row: [],
    "integrated_campaign_data": _advertised,
    "person_id": person_id_of,
}
_OVERRIDES = {
    "get.call_legs_report": _LEGS,
    "get.financial_call_legs_report": _CHARGES,
    "get.visitor_sessions_report": _SESSIONS,
}


def getter_of(method: str, view: View, local: LocalTime) -> RawGetter:
    """Return what reads a field of a row of a report."""
    if method == "get.communications_report":
        return view.of_communication
    overrides = _OVERRIDES.get(method, {})

    def start(row: Communication) -> str:
        return local.text(row.start)

    def communications(row: Communication) -> list[Row]:
        shown = {"communication_type": row.kind, "communication_id": row.communication_id}
        return [shown | {"communication_date_time": start(row)}]

    def getter(name: str, *, raw: bool = False) -> Getter:
        if method == "get.visitor_sessions_report" and name == "communications":
            return communications
        if name == "connect_time":
            return lambda row: None if row.lost else local.text(row.start + 5)
        return overrides.get(name) or view.getter(name, raw=raw)

    return getter


# Messages of chats


@dataclass(frozen=True, slots=True)
class Message:
    """What the visitor wrote, or the employee's answer."""

    chat: Communication
    answer: bool

    @property
    def start(self) -> int:
        return self.chat.start + (20 if self.answer else 0)

    @property
    def id(self) -> int:
        return self.chat.id * 10 + 1 + self.answer


def messages_of(chats: Iterable[Communication]) -> list[Message]:
    """Return two messages of each chat."""
    return [Message(chat, answer) for chat in chats for answer in (False, True)]


def message_getter(local: LocalTime) -> RawGetter:
    """Return what reads a field of a message."""

    def employee(get: Getter) -> Getter:
        return lambda message: get(message.chat) if message.answer else None

    fields: dict[str, Getter] = {
        "id": lambda message: message.id,
        "chat_id": lambda message: message.chat.id,
        "channel_id": lambda message: 5501,
        "channel_type": lambda message: "comagic",
        "date_time": lambda message: local.text(message.start),
        "is_group_chat": lambda message: False,
        "visitor_id": lambda message: BELIEVABLE["visitor_id"](message.chat),
        "text": lambda message: "Готово, приезжайте." if message.answer else "Здравствуйте! Моё пальто готово?",
        "source": lambda message: "operator" if message.answer else "visitor",
        "resource": lambda message: {},
        "employee_id": employee(BELIEVABLE["employee_id"]),
        "employee_full_name": employee(BELIEVABLE["employee_full_name"]),
    }

    def getter(name: str, *, raw: bool = False) -> Callable[[Any], Any]:
        return fields[name]

    return getter


# Days of campaigns

_COUNTS = {
    "call": "calls_count",
    "chat": "chats_count",
    "goal": "goals_count",
    "offline_message": "offline_messages_count",
}


def daily_rows(rows: Iterable[Communication], site_id: int, domain: str, local: LocalTime) -> list[Row]:
    """Return a row for each day and campaign of a site that brought communications."""
    days: dict[tuple[str, int], list[Communication]] = defaultdict(list)
    for row in rows:
        campaign = campaign_of(row)
        if row.site_id == site_id and campaign is not None:
            days[local.text(row.start)[:10], campaign.id].append(row)
    names = {campaign.id: campaign for campaign in CAMPAIGNS}
    found = []
    for (day, key), group in sorted(days.items(), key=lambda item: item[0]):
        campaign = names[key]
        counts = {name: sum(row.kind == kind for row in group) for kind, name in _COUNTS.items()}
        visits = 3 * len(group)
        shown: Row = {"date": day, "site_id": site_id, "site_domain_name": domain, "campaign_id": key}
        shown |= {"campain_id": key, "campaign_name": campaign.name, "engine": campaign.engine, "visits_count": visits}
        shown |= {"clicks_count": visits, "shows_count": 40 * visits, "cost_sum": f"{12.5 * visits:.2f}"}
        shown |= {"currency": "RUB", "source_id": key + 50_000, "source_name": campaign.name} | counts
        shown["session_ids"] = [BELIEVABLE["visitor_session_id"](row) for row in group]
        shown["communications"] = [
            {"communication_type": row.kind, "communication_id": row.communication_id} for row in group
        ]
        found.append(shown)
    return found
