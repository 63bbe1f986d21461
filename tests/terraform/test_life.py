"""The life of an instance. After each step Terraform has nothing left to do; only the first needs all secrets."""

from __future__ import annotations

import pytest

from tests.terraform.deployment import SECRETS, Deployment

DATABASE = "projects/my-project/databases/crm-bridge-sales"
SYNC, EXCHANGE = (f"google_cloudfunctions2_function.{name}" for name in ("sync", "exchange"))


def test_nothing_is_left_to_do_after_the_first_apply(default_deployment: Deployment) -> None:
    assert default_deployment.plan(**SECRETS) == {}


def test_the_first_apply_says_which_secret_it_lacks(new_deployment: Deployment) -> None:
    done = new_deployment.terraform("apply", "-auto-approve", comagic_token=SECRETS["comagic_token"])

    assert done.returncode == 1
    assert "Field [payload] is required" in done.stdout
    assert 'google_secret_manager_secret_version.main["AGBIS_PASSWORD"]' in done.stdout


def test_a_second_apply_needs_no_secret(deployed: Deployment) -> None:
    deployed.apply()

    assert deployed.plan() == {}


def test_one_secret_is_rotated_without_the_others(deployed: Deployment) -> None:
    raised = {"comagic_token": 2}
    deployed.apply(comagic_token="another", secret_versions=raised)

    assert deployed.plan(secret_versions=raised) == {}
    config = deployed.state()[SYNC]["service_config"][0]
    assert {variable["key"]: variable["version"] for variable in config["secret_environment_variables"]} == {
        "COMAGIC_TOKEN": "2",
        "AGBIS_PASSWORD": "1",
    }


@pytest.mark.parametrize("other", ["connector", "off"])
def test_egress_is_switched_there_and_back(deployed: Deployment, other: str) -> None:
    before = deployed.state()[SYNC]["service_config"]

    deployed.apply(egress=other)
    assert deployed.plan(egress=other) == {}
    (config,) = deployed.state()[SYNC]["service_config"]
    assert (config["direct_vpc_egress"], config["direct_vpc_network_interface"]) == ("", [])
    assert bool(config["vpc_connector"]) == (other == "connector")

    deployed.apply()
    assert deployed.plan() == {}
    assert deployed.state()[SYNC]["service_config"] == before


def test_a_pause_ends(deployed: Deployment) -> None:
    deployed.apply(schedule_paused=True)
    assert deployed.plan(schedule_paused=True) == {}

    deployed.apply()
    assert deployed.plan() == {}


def test_a_destroy_needs_no_secret_and_leaves_the_sales_as_they_are(deployed: Deployment) -> None:
    before = deployed.cloud.copy()
    done = deployed.terraform("destroy", "-auto-approve")

    assert done.returncode == 0, done.stdout
    assert deployed.state() == {}
    assert set(deployed.cloud.databases) == {DATABASE}
    sales = {field: expires for field, expires in before.fields.items() if field[0] == "crm-bridge-sales"}
    assert {field for field, expires in sales.items() if expires} == {("crm-bridge-sales", "runs", "expires_at")}
    assert deployed.cloud.fields == sales


CALLERS = {
    SYNC: {"scheduler", 'admins["user:me@example.com"]', 'viewers["user:me@example.com"]'},
    EXCHANGE: {'exchange_callers["user:ivr@example.com"]', "exchange_public[0]"},
}


@pytest.mark.parametrize("function", [SYNC, EXCHANGE])
def test_a_new_service_gets_its_callers_again(deployed: Deployment, function: str) -> None:
    """A function that is made again is a new Cloud Run service, which admits nobody."""
    values = {
        "exchange_callers": ["user:ivr@example.com"],
        "exchange_public": True,
        "secret_versions": {"exchange_api_key": 1},
    }
    deployed.apply(exchange_api_key="0123456789abcdef", **values)

    plan = deployed.plan(f"-replace={function}", **values)

    replaced = {address for address, action in plan.items() if action == "replace" and "_iam_member." in address}
    assert replaced == {f"google_cloud_run_v2_service_iam_member.{member}" for member in CALLERS[function]}


def test_a_deployment_keeps_its_callers(deployed: Deployment) -> None:
    with (deployed.root / "function/main.py").open("a") as main:
        main.write("\n# changed\n")

    assert not [address for address in deployed.plan() if "_iam_member." in address]
