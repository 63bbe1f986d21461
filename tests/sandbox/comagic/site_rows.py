"""The sites of the account as `get.sites` shows them."""

from typing import Any

from tests.sandbox.comagic.advertising import SCENARIO


def site_row(key: int, domain: str, *, sales_enabled: bool) -> dict[str, Any]:
    """Return a site with every documented field; what nobody has set is as the documents say of a new site."""
    return {
        "id": key,
        "domain_name": domain,
        "name": domain,
        "default_phone_number": "74950000009",
        "default_scenario": {"scenario_id": SCENARIO[0], "scenario_name": SCENARIO[1]},
        "app_key": "Kf3xTq9bLm0a",
        "site_key": f"Sk{key:08d}",
        "is_editable": True,
        "creation_date": "2024-02-01 10:00:00",
        "target_call_min_duration": 30,
        "track_subdomains": True,
        "cookie_lifetime": 90,
        "campaign_lifetime": 90,
        "sales_enabled": sales_enabled,
        "second_communication_period": 1,
        "services_enabled": True,
        "replacement_dynamical_block_enabled": False,
        "is_support_web_directory": False,
        "widget_link": {"enabled": False, "text": None, "url": None},
        "industry_id": 17,
        "industry_name": "Бытовые услуги",
        "child_customer_id": None,
        "show_visitor_id": {"enabled": False, "element_id_value": None, "message": None, "length_visitor_id": 6},
        "site_blocks": [{"site_block_id": key * 10, "site_block_name": "Основной блок"}],
        "connected_integrations": [],
        "parent_id": None,
    }
