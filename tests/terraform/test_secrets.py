"""Tokens and passwords reach the functions, and no file of Terraform."""

from __future__ import annotations

import re

from tests.terraform.configuration import FOLDER, Configuration
from tests.terraform.deployment import SECRETS, Deployment

NAMES = {"comagic_token", "agbis_password", "exchange_api_key", "sync_api_key", "alert_urls"}

KEY, ANOTHER_KEY = "0123456789abcdef", "fedcba9876543210"


def test_secret_variables_are_ephemeral(configuration: Configuration) -> None:
    ephemeral = {name for name, body in configuration.variables.items() if body.get("ephemeral")}

    assert ephemeral == NAMES
    assert all(configuration.variables[name]["sensitive"] for name in NAMES)


def test_secret_values_go_to_write_only_arguments_alone(configuration: Configuration) -> None:
    users = [address for address, body in configuration.resources.items() if "secret_values" in str(body)]
    text = "\n".join(path.read_text() for path in FOLDER.glob("*.tf") if path.name != "variables.tf")

    assert (
        set(re.findall(r"= var\.(\w+)$", str.join("\n", re.findall(r"secret_values = \{(.*?)\}", text, re.S)), re.M))
        == NAMES
    )
    assert all(len(re.findall(rf"var\.{name}\b", text)) == 1 for name in NAMES)
    assert users == ["google_secret_manager_secret_version.main"]
    assert configuration.resources[users[0]]["secret_data_wo"] == (
        '${local.secret_values[each.key] == null ? "" : local.secret_values[each.key]}'
    )
    assert "secret_data" not in configuration.resources[users[0]]


def test_no_value_lands_in_the_plan_or_the_state(new_deployment: Deployment, default_deployment: Deployment) -> None:
    new_deployment.terraform("plan", "-out=plan", **SECRETS)
    planned = new_deployment.terraform("show", "-json", "plan").stdout
    stored = (default_deployment.folder / "terraform.tfstate").read_text()

    assert "crm-bridge-comagic-token" in planned
    assert "crm-bridge-comagic-token" in stored
    for value in SECRETS.values():
        assert value not in planned + stored


def test_a_new_value_is_written_when_its_number_is_raised(deployed: Deployment) -> None:
    assert deployed.plan(comagic_token="another") == {}

    plan = deployed.plan(comagic_token="another", secret_versions={"comagic_token": 2})

    assert plan == {
        'google_secret_manager_secret_version.main["COMAGIC_TOKEN"]': "replace",
        "google_cloudfunctions2_function.sync": "update",
    }


def test_a_function_may_read_its_secrets_before_it_is_deployed(configuration: Configuration) -> None:
    """A deployment fails when a secret has no version yet, or may not be read yet."""
    for name in ("sync", "exchange"):
        assert (
            "${time_sleep.grants}" in configuration.resources[f"google_cloudfunctions2_function.{name}"]["depends_on"]
        )
    awaited = configuration.resources["time_sleep.grants"]["depends_on"]
    assert "${google_secret_manager_secret_iam_member.main}" in awaited


def test_white_space_around_a_secret_is_refused(new_deployment: Deployment) -> None:
    wrong = {
        "comagic_token": "token\n",
        "agbis_password": " ",
        "exchange_api_key": "short",
        "sync_api_key": "also short",
        "alert_urls": "me@example.com",
    }
    assert set(wrong) == NAMES

    done = new_deployment.terraform("plan", **wrong)

    for name in NAMES:
        assert f"{name} " in done.stdout
    assert done.returncode == 1
    assert "token\n" not in done.stdout.replace("comagic_token\n", "")


def test_addresses_of_alerts_are_a_secret_of_sync(deployed: Deployment) -> None:
    raised = {"alert_urls": 1}
    deployed.apply(alert_urls="tgram://bot-token/chat", secret_versions=raised)

    assert deployed.environment("sync")["ALERT_URLS"] == "crm-bridge-alert-urls"
    assert "ALERT_URLS" not in deployed.environment("exchange")
    assert "bot-token" not in (deployed.folder / "terraform.tfstate").read_text()
    assert deployed.plan(secret_versions=raised) == {}


def test_scheduler_sends_the_key_of_sync(deployed: Deployment) -> None:
    assert _headers(deployed) == [{}, {}]

    deployed.apply(sync_api_key=KEY, secret_versions={"sync_api_key": 1})

    assert _headers(deployed) == [{"X-API-Key": KEY}] * 2
    assert deployed.environment("sync")["SYNC_API_KEY"] == "crm-bridge-sync-api-key"
    assert "SYNC_API_KEY" not in deployed.environment("exchange")
    lines = deployed.outputs()["admin_commands"].splitlines()
    assert all('-H "X-API-Key: $TF_VAR_sync_api_key"' in line for line in lines)
    assert deployed.plan(secret_versions={"sync_api_key": 1}) == {}


def test_the_key_of_sync_is_rotated_and_taken_away_unseen(deployed: Deployment) -> None:
    """Terraform prints what it changes."""
    seen = ""
    for values in (
        {"sync_api_key": KEY, "secret_versions": {"sync_api_key": 1}},
        {"sync_api_key": ANOTHER_KEY, "secret_versions": {"sync_api_key": 2}},
        {},
    ):
        done = deployed.terraform("apply", "-auto-approve", **values)
        assert done.returncode == 0, done.stdout
        seen += done.stdout
        key = values.get("sync_api_key")
        assert _headers(deployed) == [{"X-API-Key": key} if key else {}] * 2

    assert "(sensitive value)" in seen
    assert KEY not in seen
    assert ANOTHER_KEY not in seen


def _headers(deployment: Deployment) -> list[dict[str, str]]:
    state = deployment.state()
    jobs = [state[f'google_cloud_scheduler_job.main["{name}"]'] for name in ("daily", "hourly")]
    return [job["http_target"][0]["headers"] for job in jobs]
