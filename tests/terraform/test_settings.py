"""Terraform sets what the code reads: no more, no less, and within the same limits."""

from __future__ import annotations

import pytest

from crm_bridge.settings import AGBIS_VARIABLES, COMAGIC_VARIABLES, VARIABLES, FirestoreStore, Settings
from tests.terraform.configuration import Configuration
from tests.terraform.deployment import Deployment

MADE_HERE = {"STORE_URL"}
"""Set from the names of our own resources, so that nobody can get it wrong."""

WRONG = {
    "project_id": "My Project",
    "region": "Europe",
    "name": "-a",
    "alert_email": "me",
    "labels": {"instance": "a"},
    "egress": "vpn",
    "exchange_min_instances": 11,
    "daily_schedule": "5 4 * *",
    "hourly_schedule": "hourly",
    "database": "a",
    "agbis_url": "http://himinfo.net/cl/x/api/",
    "agbis_user": " ",
    "comagic_url": "dataapi.comagic.ru",
    "comagic_user_id": 0,
    "comagic_sale_tag_id": 1.5,
    "comagic_lookback_days": 0,
    "comagic_sources": ["calls", "letters"],
    "comagic_concurrency": 21,
    "comagic_deals": "yes",
    "comagic_deals_funnel": "a b",
    "comagic_deals_link": "phone",
    "attribution": "last",
    "crm_lookback_days": 4000,
    "time_zone": "Moscow time",
    "phone_region": "ru",
    "sync_time_budget_seconds": 1800,
    "exchange_ttl_seconds": 0,
    "sync_max_decrease_percent": 0.5,
    "runs_ttl_days": 0.5,
    "log_level": "LOUD",
    "secret_versions": {"comagic_token": 0},
}

LOWEST = {
    "comagic_user_id": 1,
    "comagic_sale_tag_id": 1,
    "comagic_lookback_days": 1,
    "comagic_sources": ["offline_messages"],
    "comagic_concurrency": 1,
    "comagic_deals": "off",
    "comagic_deals_funnel": "a",
    "comagic_deals_link": "contact",
    "attribution": "first_before_payment",
    "crm_lookback_days": 1,
    "time_zone": "UTC",
    "sync_time_budget_seconds": 60,
    "exchange_ttl_seconds": 1,
    "sync_max_decrease_percent": 0,
    "runs_ttl_days": 1,
    "log_level": "DEBUG",
}

HIGHEST = {
    "comagic_user_id": 10**17,
    "comagic_sale_tag_id": 10**17,
    "comagic_lookback_days": 3650,
    "comagic_sources": ["calls", "chats", "offline_messages"],
    "comagic_concurrency": 20,
    "comagic_deals": "on",
    "comagic_deals_funnel": "Orders_of-the-CRM",
    "comagic_deals_link": "communication",
    "attribution": "last_before_payment",
    "crm_lookback_days": 3650,
    "time_zone": "America/Argentina/Buenos_Aires",
    "sync_time_budget_seconds": 1740,
    "exchange_ttl_seconds": 2592000,
    "sync_max_decrease_percent": 100,
    "runs_ttl_days": 3650,
    "log_level": "ERROR",
}


def _set_by_terraform(configuration: Configuration) -> set[str]:
    functions = configuration.locals["environment"]
    secrets = {name.upper() for name, body in configuration.variables.items() if body.get("ephemeral")}
    return {*functions["sync"], *functions["exchange"], *secrets}


def test_every_variable_that_terraform_sets_is_read(configuration: Configuration) -> None:
    assert _set_by_terraform(configuration) - set(VARIABLES) == set()


def test_every_setting_can_be_set(configuration: Configuration) -> None:
    assert set(VARIABLES) - _set_by_terraform(configuration) == set()
    assert {name.lower() for name in set(VARIABLES) - MADE_HERE} - set(configuration.variables) == set()


def test_defaults_are_those_of_the_code(configuration: Configuration) -> None:
    defaults = {
        name: _as_text(configuration.variables[name.lower()].get("default")) for name in set(VARIABLES) - MADE_HERE
    }

    assert defaults == {name: VARIABLES[name][1] for name in defaults}


def _as_text(default: object) -> str | None:
    return ",".join(default) if isinstance(default, list) else None if default is None else str(default)


@pytest.mark.parametrize("values", [LOWEST, HIGHEST], ids=["lowest", "highest"])
def test_the_code_takes_what_terraform_takes(new_deployment: Deployment, values: dict[str, object]) -> None:
    environment = new_deployment.value("local.environment", **values)
    given = {
        name: {key: str(value) for key, value in variables.items() if value is not None}
        for name, variables in environment.items()
    }

    sync = Settings.from_env(given["sync"], required=("AGBIS_URL", "AGBIS_USER"))
    exchange = Settings.from_env(given["exchange"])
    assert sync.comagic_user_id == values["comagic_user_id"]
    assert exchange.exchange_ttl.total_seconds() == values["exchange_ttl_seconds"]


def test_each_function_gets_its_own_database(default_deployment: Deployment) -> None:
    stores = {name: Settings.from_env(default_deployment.environment(name)).store_url for name in ("sync", "exchange")}

    assert stores == {
        "sync": FirestoreStore(project="my-project", database="crm-bridge-sales"),
        "exchange": FirestoreStore(project="my-project", database="crm-bridge-cards"),
    }


def test_a_run_finds_all_that_it_requires(default_deployment: Deployment) -> None:
    Settings.from_env(default_deployment.environment("sync"), required=COMAGIC_VARIABLES + AGBIS_VARIABLES)


def test_a_setting_left_out_is_left_to_the_code(default_deployment: Deployment) -> None:
    assert "COMAGIC_USER_ID" not in default_deployment.environment("sync")


def test_wrong_values_are_refused_each_by_its_name(new_deployment: Deployment) -> None:
    (new_deployment.folder / "terraform.tfvars").unlink()

    done = new_deployment.terraform("plan", **WRONG)

    assert [name for name in WRONG if f'variable "{name}"' not in done.stdout] == []


def test_every_limit_is_tried(configuration: Configuration) -> None:
    limited = {
        name for name, body in configuration.variables.items() if "validation" in body and not body.get("ephemeral")
    }

    assert limited - {"admins", "exchange_callers"} == set(WRONG)
