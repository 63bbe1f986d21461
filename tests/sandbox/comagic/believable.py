"""Believable values of the fields that no event of the sandbox decides.

A value is a function of the row, worked out when the field is asked for: it costs nothing otherwise, and the same
communication always shows the same. A communication without a site, as in a bare telephone exchange, has no visitor.
"""

from collections.abc import Callable, Mapping
from typing import Any
from zlib import crc32

from tests.sandbox.comagic.advertising import (
    BY_SHARE,
    CITIES,
    DEVICES,
    EMPLOYEES,
    GROUP,
    OPERATOR_LINE,
    PAGES,
    REGIONS,
    SCENARIO,
    VIRTUAL_PHONE,
    Campaign,
    full_name,
)
from tests.sandbox.comagic.store import Communication

Getter = Callable[[Any], Any]


def dice(row: Communication, salt: int, sides: int) -> int:
    """Return a number from 0 that depends on the communication only."""
    return ((row.communication_id + salt) * 2_654_435_761 >> 9 & 0xFFFFFF) % sides


def campaign_of(row: Communication) -> Campaign | None:
    """Return what brought the visitor; None without a site."""
    return None if row.site_id is None else BY_SHARE[dice(row, 1, len(BY_SHARE))]


def visitor_id_of(row: Communication) -> int | None:
    """Return the visitor; who calls from one phone is one visitor."""
    if row.site_id is None:
        return None
    seed = crc32(row.phone.encode()) if row.phone else row.communication_id
    return 1_200_000_000 + seed % 700_000_000


def person_id_of(row: Communication) -> int | None:
    """Return the person: as a test says, else one for each phone."""
    if row.person_id is not None or not row.phone:
        return row.person_id
    return 2_273_849_498 + crc32(row.phone.encode()) % 90_000_000


def employee_of(row: Communication) -> tuple[int, str, str, str, str] | None:
    """Return who answered, or nobody."""
    return None if row.lost or row.kind in ("goal", "offline_message") else EMPLOYEES[dice(row, 2, len(EMPLOYEES))]


def _of_visitor(get: Getter) -> Getter:
    return lambda row: None if row.site_id is None else get(row)


def _of_campaign(get: Callable[[Campaign], Any]) -> Getter:
    def value(row: Communication) -> Any:
        campaign = campaign_of(row)
        return None if campaign is None else get(campaign)

    return value


def _of_employee(get: Callable[[tuple[int, str, str, str, str]], Any]) -> Getter:
    def value(row: Communication) -> Any:
        employee = employee_of(row)
        return None if employee is None else get(employee)

    return value


def _constant(value: Any) -> Getter:
    return lambda row: value


def _search_query(row: Communication) -> str | None:
    campaign = campaign_of(row)
    if campaign is None or not campaign.phrases:
        return None
    return campaign.phrases[dice(row, 3, len(campaign.phrases))]


def _click_id(engine: str, length: int) -> Getter:
    def value(row: Communication) -> str | None:
        campaign = campaign_of(row)
        if campaign is None or campaign.engine != engine:
            return None
        return f"{row.communication_id * 2_654_435_761 % 10**length:0{length}d}"

    return value


def _referrer(campaign: Campaign) -> str | None:
    return campaign.referrer_domain and f"https://{campaign.referrer_domain}/"


def _attributes(row: Communication) -> list[str]:
    times = _communication_number(row)
    found = ["first", "primary"] if times == 1 else ["secondary"]
    return [*found, "lost"] if row.lost else [*found, "target" if row.duration >= 30 else "off-target"]


def _communication_number(row: Communication) -> int | None:
    return None if row.site_id is None else 1 + dice(row, 4, 3)


def _city(row: Communication) -> tuple[str, str]:
    return CITIES[dice(row, 5, len(CITIES))]


def _region(row: Communication) -> tuple[int, str] | None:
    """Return the region of a Russian number."""
    phone = row.phone
    if not phone or len(phone) != 11 or phone[0] not in "78":
        return None
    return REGIONS[0] if phone[1:4] in ("495", "499") else REGIONS[crc32(phone.encode()) % len(REGIONS)]


def _of_region(position: int) -> Getter:
    def value(row: Communication) -> Any:
        region = _region(row)
        return None if region is None else region[position]

    return value


def _employees(row: Communication) -> list[dict[str, Any]]:
    employee = employee_of(row)
    if employee is None:
        return []
    shown = {"employee_id": employee[0], "employee_full_name": full_name(employee), "is_answered": True}
    return [shown | {"is_talked": True}]


def _record(row: Communication) -> str | None:
    over = not row.lost and not row.ongoing
    return f"https://media.example.ru/talk/{row.communication_id}/" if over else None


_SOURCES = {"call": "call_tracking", "goal": "comagic", "chat": "comagic", "offline_message": "comagic"}
_STATUSES = {"chat": "succeed", "offline_message": "not_processed"}
_EMPLOYEE: dict[str, Getter] = {
    f"{prefix}employee_{part}": getter
    for prefix in ("", "last_answered_", "first_answered_", "last_talked_", "first_talked_")
    for part, getter in (("id", _of_employee(lambda who: who[0])), ("full_name", _of_employee(full_name)))
}
_CAMPAIGN: dict[str, Getter] = {
    "campaign_id": _of_campaign(lambda campaign: campaign.id),
    "campaign_name": _of_campaign(lambda campaign: campaign.name),
    "channel": _of_campaign(lambda campaign: campaign.channel),
    "engine": _of_campaign(lambda campaign: campaign.engine),
    "search_engine": _of_campaign(lambda campaign: campaign.search_engine),
    "referrer_domain": _of_campaign(lambda campaign: campaign.referrer_domain),
    "referrer": _of_campaign(_referrer),
    "utm_source": _of_campaign(lambda campaign: campaign.source),
    "utm_medium": _of_campaign(lambda campaign: campaign.medium),
    "utm_campaign": _of_campaign(lambda campaign: campaign.label),
    "eq_utm_source": _of_campaign(lambda campaign: campaign.source or campaign.referrer_domain),
    "eq_utm_medium": _of_campaign(lambda campaign: campaign.medium or campaign.channel),
    "eq_utm_campaign": _of_campaign(lambda campaign: campaign.label),
    "visitor_first_campaign_id": _of_campaign(lambda campaign: campaign.id),
    "visitor_first_campaign_name": _of_campaign(lambda campaign: campaign.name),
    "source_id": _of_campaign(lambda campaign: campaign.id + 50_000),
    "source_name": _of_campaign(lambda campaign: campaign.name),
    "source_new": _of_campaign(lambda campaign: campaign.source or campaign.referrer_domain or "direct"),
    "channel_new": _of_campaign(lambda campaign: campaign.channel),
    "channel_code": _of_campaign(lambda campaign: campaign.channel),
    "search_query": _search_query,
    "utm_term": _search_query,
    "eq_utm_term": _search_query,
    "gclid": _click_id("google.adwords", 20),
    "yclid": _click_id("yandex.direct", 19),
}
_VISITOR: dict[str, Getter] = {
    "visitor_id": visitor_id_of,
    "visitor_session_id": _of_visitor(lambda row: 4_600_000_000 + row.communication_id % 1_000_000_000),
    "visitor_type": lambda row: (
        ("Новый" if _communication_number(row) == 1 else "Вернувшийся") if row.site_id else None
    ),
    "visits_count": _communication_number,
    "communication_number": _communication_number,
    "visitor_city": _of_visitor(lambda row: _city(row)[0]),
    "visitor_region": _of_visitor(lambda row: _city(row)[1]),
    "visitor_country": _of_visitor(_constant("Россия")),
    "visitor_device": _of_visitor(lambda row: DEVICES[dice(row, 6, len(DEVICES))]),
    "visitor_custom_properties": _constant([]),
    "visitor_ids": lambda row: [] if row.site_id is None else [visitor_id_of(row)],
    "visit_other_campaign": lambda row: row.site_id is not None and dice(row, 7, 10) == 0,
    "ua_client_id": _of_visitor(lambda row: f"{dice(row, 8, 10**9) + 10**9}.{row.start - 60}"),
    "ym_client_id": _of_visitor(lambda row: f"{row.start - 60}{dice(row, 9, 10**6):06d}"),
    "segments": _constant([]),
    "attributes": _attributes,
}
_CALL: dict[str, Getter] = {
    "virtual_phone_number": _constant(VIRTUAL_PHONE),
    "wait_duration": _constant(5),
    "total_wait_duration": _constant(5),
    "lost_call_processing_duration": lambda row: 600 if row.lost else None,
    "postprocess_duration": _constant(0),
    "is_transfer": _constant(False),
    "cpn_region_id": _of_region(0),
    "cpn_region_name": _of_region(1),
    "cpn_country_name": lambda row: None if _region(row) is None else "Россия",
    "cpn_country_id": lambda row: None if _region(row) is None else "RU",
    "scenario_id": _constant(SCENARIO[0]),
    "scenario_name": _constant(SCENARIO[1]),
    "scenario_operations": _constant([{"id": 1, "name": "Приветствие"}, {"id": 2, "name": GROUP[1]}]),
    "employees": _employees,
    "last_answered_employee_rating": _constant(None),
    "operator_phone_number": lambda row: None if employee_of(row) is None else OPERATOR_LINE,
    "full_record_file_link": _record,
}
_CHAT: dict[str, Getter] = {
    "initiator": _constant("visitor"),
    "answer_time": lambda row: 5 + dice(row, 10, 40),
    "messages_count": _constant(2),
    "employee_messages_count": _constant(1),
    "employee_raiting": lambda row: 3 + dice(row, 11, 3),
    "is_group_chat": _constant(False),
    "release_cause": _constant("closed_by_visitor"),
    "chat_channel_id": _constant(5501),
    "chat_channel_type": _constant("comagic"),
    "chat_channel_name": _constant("Чат на сайте"),
    "chat_username": lambda row: f"Посетитель {row.id}",
    "chat_user_id": lambda row: str(row.id),
}
_MESSAGE: dict[str, Getter] = {
    "is_agree_to_process_personal_data": _constant(True),
    "is_agree_to_mailing": _constant(False),
    "form_type": _constant("Custom"),
    "form_name": _constant("Заявка с сайта"),
    "group_id": _constant(GROUP[0]),
    "group_name": _constant(GROUP[1]),
}
BELIEVABLE: dict[str, Getter] = {
    **_EMPLOYEE,
    **_CAMPAIGN,
    **_VISITOR,
    **_CALL,
    **_CHAT,
    **_MESSAGE,
    "person_id": person_id_of,
    "source": lambda row: _SOURCES[row.kind],
    "status": lambda row: _STATUSES.get(row.kind),
    "type": _constant("click"),
}


def of_site(name: str, domains: Mapping[int, str]) -> Getter | None:
    """Return the getter of a field that needs the domain of the row's site."""
    if name == "site_domain_name":
        return lambda row: domains.get(row.site_id)

    def page(row: Communication, salt: int) -> str | None:
        domain = domains.get(row.site_id) if row.site_id is not None else None
        return domain and f"https://{domain}/{PAGES[dice(row, salt, len(PAGES))]}"

    if name == "entrance_page":
        return lambda row: page(row, 12)
    return (lambda row: page(row, 13)) if name == "communication_page_url" else None
