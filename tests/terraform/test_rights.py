"""Who may do what."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.terraform.configuration import Configuration
from tests.terraform.deployment import Deployment

KEY = "0123456789abcdef"


def test_nobody_is_all_users_by_default(configuration: Configuration) -> None:
    named = [address for address, body in configuration.resources.items() if "allUsers" in str(body)]

    assert named == ["google_cloud_run_v2_service_iam_member.exchange_public"]
    assert configuration.resources[named[0]]["count"] == "${var.exchange_public ? 1 : 0}"
    assert configuration.variables["exchange_public"]["default"] is False
    assert "allAuthenticatedUsers" not in str(configuration)


def test_invokers_are_let_in_at_the_cloud_run_service(configuration: Configuration) -> None:
    """`roles/cloudfunctions.invoker` on a function of the second generation admits nobody."""
    members = configuration.of("google_cloud_run_v2_service_iam_member")

    invokers = dict.fromkeys(("scheduler", "admins", "exchange_callers", "exchange_public"), "roles/run.invoker")
    assert {name: body["role"] for name, body in members.items()} == {**invokers, "viewers": "roles/run.viewer"}
    assert not configuration.of("google_cloudfunctions2_function_iam_member")


def test_each_job_has_an_account_of_its_own_and_only_these_rights(default_deployment: Deployment) -> None:
    granted = sorted(
        (values["member"].removeprefix("member of crm-bridge-"), values["role"], _limit(values))
        for address, values in default_deployment.state().items()
        if "_iam_member." in address
    )

    assert granted == [
        ("build", "roles/artifactregistry.writer", "name of crm-bridge"),
        ("build", "roles/logging.logWriter", ""),
        ("build", "roles/storage.objectViewer", "sources of functions only"),
        ("exchange", "roles/datastore.user", "crm-bridge-cards only"),
        ("scheduler", "roles/run.invoker", "crm-bridge-sync"),
        ("sync", "roles/datastore.user", "crm-bridge-sales only"),
        ("sync", "roles/secretmanager.secretAccessor", "crm-bridge-agbis-password"),
        ("sync", "roles/secretmanager.secretAccessor", "crm-bridge-comagic-token"),
        ("user:me@example.com", "roles/run.invoker", "crm-bridge-sync"),
        ("user:me@example.com", "roles/run.viewer", "crm-bridge-sync"),
    ]


def _limit(values: dict[str, object]) -> object:
    condition = values.get("condition")
    if isinstance(condition, list) and condition:
        return condition[0]["title"]
    return next((values[key] for key in ("secret_id", "repository", "name") if values.get(key)), "")


def test_no_right_of_anybody_else_is_touched(configuration: Configuration) -> None:
    """`_iam_binding` and `_iam_policy` take away what others were given."""
    assert not [
        address for address in configuration.resources if "_iam_binding." in address or "_iam_policy." in address
    ]


def test_each_function_runs_under_its_account(default_deployment: Deployment) -> None:
    state = default_deployment.state()

    for name in ("sync", "exchange"):
        function = state[f"google_cloudfunctions2_function.{name}"]
        assert function["service_config"][0]["service_account_email"] == f"email of crm-bridge-{name}"
        assert function["build_config"][0]["service_account"] == "id of crm-bridge-build"


def test_an_open_exchange_needs_a_key(new_deployment: Deployment) -> None:
    done = new_deployment.terraform("plan", exchange_public=True)

    assert done.returncode == 1
    assert "exchange_public needs a key" in done.stdout


def test_an_open_exchange_leaves_sync_closed(deployed: Deployment) -> None:
    deployed.apply(exchange_public=True, exchange_api_key=KEY, secret_versions={"exchange_api_key": 1})

    everybody = [values["name"] for values in _invokers(deployed) if values["member"] == "allUsers"]
    assert everybody == ["crm-bridge-exchange"]
    assert deployed.environment("exchange")["EXCHANGE_API_KEY"] == "crm-bridge-exchange-api-key"
    assert "EXCHANGE_API_KEY" not in deployed.environment("sync")


def test_exchange_sees_no_secret_of_sync(default_deployment: Deployment) -> None:
    assert set(default_deployment.environment("exchange")).isdisjoint({"COMAGIC_TOKEN", "AGBIS_PASSWORD"})


@pytest.mark.parametrize("who", ["allUsers", "allAuthenticatedUsers", "me@example.com"])
def test_a_list_of_callers_has_named_callers_only(new_deployment: Deployment, who: str) -> None:
    done = new_deployment.terraform("plan", admins=[who], exchange_callers=[who])

    assert done.returncode == 1
    assert "Each of admins is user:" in done.stdout
    assert "Each of exchange_callers is user:" in done.stdout


def _invokers(deployment: Deployment) -> Iterator[dict[str, str]]:
    for address, values in deployment.state().items():
        if address.startswith("google_cloud_run_v2_service_iam_member."):
            yield values
