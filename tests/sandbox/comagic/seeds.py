"""What the lists of a new account hold. All made up; a part that a row lacks comes as null, an empty list or object."""

from typing import Any

from tests.sandbox.comagic.advertising import (
    CAMPAIGNS,
    EMPLOYEES,
    GROUP,
    OPERATOR_LINE,
    SCENARIO,
    VIRTUAL_PHONE,
    full_name,
)

Row = dict[str, Any]
SITE_ID = 25187
_DOMAIN = "example.ru"
_ANY_WAY = {
    f"{way}_{place}_allowed_call_directions": ["in", "out"]
    for way in ("in", "out")
    for place in ("external", "internal")
}
_MEMBERS = [{"employee_id": who[0], "employee_full_name": full_name(who)} for who in EMPLOYEES]


def _employee(who: tuple[int, str, str, str, str]) -> Row:
    key, first, last, patronymic, phone = who
    return {
        "login": f"employee{key}@example.ru",
        "first_name": first,
        "last_name": last,
        "patronymic": patronymic,
        "full_name": full_name(who),
        "status": "available",
        "status_id": 1,
        "calls_available": True,
        "allowed_in_call_types": ["internal", "external"],
        "allowed_out_call_types": ["internal", "external"],
        **_ANY_WAY,
        "call_recording": "all",
        "groups": [{"group_id": GROUP[0], "group_name": GROUP[1]}],
        "phone_numbers": [
            {"phone_id": key * 10, "phone_number": phone, "channels_count": 1, "dial_time": 30, "status": "active"}
        ],
        "extension": {"extension_phone_number": str(key - 2000), "extension_voice_mail_enabled": False},
    }


def _number(phone: str, kind: str) -> Row:
    campaign = {"campaign_id": 30002, "campaign_name": CAMPAIGNS[1].name, "site_id": SITE_ID}
    return {
        "virtual_phone_number": phone,
        "activation_date": "2024-02-01 10:00:00",
        "status": "active",
        "category": "usual",
        "type": kind,
        "name": phone,
        "campaigns": [campaign | {"site_domain_name": _DOMAIN, "site_blocks": []}] if kind != "va" else [],
        "scenarios": [{"scenario_id": SCENARIO[0], "scenario_name": SCENARIO[1], "is_active": True}],
    }


def _status(name: str, mnemonic: str) -> Row:
    works = mnemonic == "available"
    row = {"name": name, "mnemonic": mnemonic, "color": "#48b23f", "is_deleted": False, "is_select_allowed": True}
    directions = _ANY_WAY if works else {}
    return (
        row | directions | {"is_worktime": works, "is_auto_out_calls_ready": works, "allowed_phone_protocols": ["SIP"]}
    )


def seeds() -> dict[str, dict[int, Row]]:
    """Return the rows of every list by their ids, without `id` itself."""
    return {
        "campaigns": {
            campaign.id: {
                "name": campaign.name,
                "status": "active",
                "creation_time": "2024-02-01 10:00:00",
                "engine": campaign.engine,
                "type": campaign.kind,
                "costs": campaign.costs,
                "cost_ratio": 1,
                "cost_ratio_operator": "wo_changes",
                "site_id": SITE_ID,
                "site_domain_name": _DOMAIN,
                "dynamic_call_tracking": {"reservation_time": "15m", "count_virtual_numbers": 5, "count_visits": 120},
                "static_utm_source": campaign.source,
                "static_utm_medium": campaign.medium,
                "static_utm_campaign": campaign.label,
            }
            for campaign in CAMPAIGNS
        },
        "employees": {who[0]: _employee(who) for who in EMPLOYEES},
        "group_employees": {
            GROUP[0]: {
                "name": GROUP[1],
                "members": _MEMBERS,
                "group_phone_number": OPERATOR_LINE,
                "queue_enabled": True,
                "channels_count": 5,
            }
        },
        "contacts": {
            901: {
                "first_name": "Анна",
                "last_name": "Петрова",
                "full_name": "Петрова Анна",
                "emails": ["anna@example.ru"],
                "phone_numbers": ["79990000001"],
                "organization_id": 61,
                "organization_name": "Ателье",
                "groups": [{"group_id": 71, "group_name": "Постоянные"}],
            }
        },
        "group_contacts": {
            70: {"name": "Черный список", "is_system": True},
            71: {
                "name": "Постоянные",
                "is_system": False,
                "members": [{"contacts_id": 901, "contact_full_name": "Петрова Анна"}],
            },
        },
        "contact_organizations": {61: {"name": "Ателье"}},
        "schedules": {
            31: {
                "name": "Ежедневно",
                "schedules": [
                    {
                        "activity_days": {
                            "type": "weekdays",
                            "days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"],
                        },
                        "activity_time": [{"time_from": "09:00:00", "time_till": "21:00:00"}],
                    }
                ],
            }
        },
        "site_blocks": {
            SITE_ID * 10: {"name": "Основной блок", "site_id": SITE_ID, "site_domain_name": _DOMAIN},
        },
        "virtual_numbers": {
            4001: _number(VIRTUAL_PHONE, "va"),
            4002: _number("74950000001", "call_tracking"),
            4003: _number("74950000002", "dynamic_call_tracking"),
        },
        "sip_lines": {
            5001: {
                "phone_number": OPERATOR_LINE,
                "type": "in_out",
                "channels_count": 2,
                "dial_time": 30,
                "billing_state": "active",
                "physical_state": "Зарегистрирован",
                "virtual_phone_number": VIRTUAL_PHONE,
                "status": "active",
                "employee_id": EMPLOYEES[0][0],
                "employee_full_name": full_name(EMPLOYEES[0]),
                "ip_addresses": [{"date_time": "2026-06-01 09:00:00", "ip": "192.0.2.10"}],
            }
        },
        "scenarios": {
            SCENARIO[0]: {
                "name": SCENARIO[1],
                "virtual_phone_numbers": [VIRTUAL_PHONE],
                "sites": [{"site_id": SITE_ID, "site_domain_name": _DOMAIN}],
            }
        },
        "media_files": {
            6001: {
                "name": "Приветствие",
                "duration": 12,
                "play_link": "https://media.example.ru/files/6001/",
                "normalization": True,
                "size": 98304,
                "type": "user",
            }
        },
        "statuses": {
            1: _status("Доступен", "available"),
            2: _status("Перерыв", "break"),
            3: _status("Не беспокоить", "do_not_disturb"),
        },
        "customers": {
            183510: {
                "name": "Химчистка",
                "creation_date_time": "2024-02-01 10:00:00",
                "status": "active",
                "status_change_date_time": "2024-02-01 10:00:00",
                "sites": [{"site_id": SITE_ID, "site_domain_name": _DOMAIN}],
                "tariff_plan_id": 406,
                "tariff_plan_name": "Enterprise",
            }
        },
        "customer_users": {2870: {"login": "client@example.ru", "name": "Химчистка", "customer_id": 183510}},
        "campaign_available_phone_numbers": {
            4002: {"prefix": "7495", "phone_number": "74950000001", "type": "call_tracking"}
        },
        "campaign_available_redirection_phone_numbers": {4101: {"phone_number": "74950000009"}},
    }


# Lists whose rows have no id.
WITHOUT_ID: dict[str, list[Row]] = {
    "available_virtual_numbers": [
        {
            "phone_number": f"7499000000{number}",
            "category": "usual",
            "location_mnemonic": "msk",
            "location_name": "Москва",
            "onetime_payment": 0,
            "monthly_charge": 300,
            "min_charge": 0,
        }
        for number in range(3)
    ],
    "sip_line_virtual_numbers": [{"virtual_phone_number": VIRTUAL_PHONE}],
}
WEIGHTS = (
    *("entrance_page", "referrer_domain", "search_engine", "search_query", "engine", "referrer", "channel", "location"),
    *("utm_tags", "os_tags", "other_tags"),
)
