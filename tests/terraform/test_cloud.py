"""What stands in the cloud after an apply."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import fields

from crm_bridge.domain.card import Card
from crm_bridge.domain.decision import Result
from crm_bridge.domain.run import Run
from crm_bridge.domain.state import DealUpload
from crm_bridge.stores.base import ORDERS, PHONES, RUNS, SALES, STATE, JournalPart
from crm_bridge.stores.firestore.cards import CARDS
from tests.terraform.configuration import ROOT, Configuration
from tests.terraform.deployment import SECRETS, Deployment

CODE = {path.relative_to(ROOT / "function").as_posix(): path.read_text() for path in (ROOT / "function").rglob("*.py")}


def test_a_handful_of_values_is_enough(default_deployment: Deployment) -> None:
    example = (ROOT / "terraform/terraform.example.tfvars").read_text()

    assert len(re.findall(r"^\w+ *=", example, re.MULTILINE)) + len(SECRETS) <= 7
    assert default_deployment.outputs()["sync_url"] == "https://crm-bridge-sync.run.app"


def test_every_resource_names_its_project(default_deployment: Deployment) -> None:
    """There is no provider block, so a resource without one would land in the admin's project of the day."""
    projects = {address: values.get("project", "my-project") for address, values in default_deployment.state().items()}

    assert {address: project for address, project in projects.items() if project != "my-project"} == {}


def test_sync_has_one_instance_for_up_to_an_hour_and_can_be_looked_at_while_it_runs(
    default_deployment: Deployment,
) -> None:
    config = _config(default_deployment, "sync")

    assert config["max_instance_count"] == 1
    assert config["max_instance_request_concurrency"] > 1
    assert config["timeout_seconds"] == 3600
    assert config["available_memory"] == "2Gi"


def test_exchange_scales_out(default_deployment: Deployment) -> None:
    config = _config(default_deployment, "exchange")

    assert config["max_instance_count"] > 1
    assert config["max_instance_request_concurrency"] > 1
    assert config["available_cpu"] == "1"


def test_instances_of_exchange_wait_where_asked_for(deployed: Deployment) -> None:
    assert _config(deployed, "exchange")["min_instance_count"] == 0

    deployed.apply(exchange_min_instances=2)

    assert _config(deployed, "exchange")["min_instance_count"] == 2
    assert not _config(deployed, "sync")["min_instance_count"]


def test_the_bill_can_be_split_by_instance(default_deployment: Deployment) -> None:
    paid = {
        "google_artifact_registry_repository.main",
        "google_cloudfunctions2_function.exchange",
        "google_cloudfunctions2_function.sync",
        "google_compute_address.main[0]",
        'google_secret_manager_secret.main["AGBIS_PASSWORD"]',
        'google_secret_manager_secret.main["COMAGIC_TOKEN"]',
        "google_storage_bucket.source",
    }

    labels = {address: values["labels"] for address, values in default_deployment.state().items() if "labels" in values}
    del labels["google_monitoring_notification_channel.main"]  # the address of its mail, under the same word
    assert labels == {address: {"instance": "crm-bridge"} for address in paid}


def test_labels_are_added_in_place(deployed: Deployment) -> None:
    """Above all to the address that CoMagic admits."""
    plan = deployed.plan(labels={"customer": "first"})

    assert set(plan.values()) == {"update"}
    assert "google_compute_address.main[0]" in plan


def test_the_server_has_a_place_for_its_socket(default_deployment: Deployment, tmp_path: Path) -> None:
    """gunicorn's other choice is a home, which the cloud need not let it write to."""
    home = tmp_path / "home"
    home.mkdir(mode=0o500)
    ask = "from gunicorn.config import Config; print(Config().settings['control_socket'].get())"
    for function in ("sync", "exchange"):
        environment = _config(default_deployment, function)["environment_variables"]
        done = subprocess.run(
            [sys.executable, "-c", ask],
            env={"HOME": str(home), **environment},
            capture_output=True,
            text=True,
            check=True,
        )
        assert Path(done.stdout.strip()).parent == Path("/tmp")


def test_both_functions_start_from_one_source(default_deployment: Deployment) -> None:
    state = default_deployment.state()
    sync, exchange = (
        state[f"google_cloudfunctions2_function.{name}"]["build_config"][0] for name in ("sync", "exchange")
    )

    assert (sync["entry_point"], exchange["entry_point"]) == ("sync", "exchange")
    assert sync["environment_variables"]["GOOGLE_FUNCTION_SOURCE"] == "function/main.py"
    assert sync["environment_variables"] == exchange["environment_variables"]
    assert sync["source"] == exchange["source"]


def test_scheduler_calls_what_sync_understands(default_deployment: Deployment) -> None:
    state = default_deployment.state()
    address = state["google_cloudfunctions2_function.sync"]["service_config"][0]["uri"]
    targets = {
        name: state[f'google_cloud_scheduler_job.main["{name}"]']["http_target"][0] for name in ("daily", "hourly")
    }

    assert {name: target["uri"] for name, target in targets.items()} == {
        "daily": f"{address}/?update_db",
        "hourly": f"{address}/",
    }
    for target in targets.values():
        assert target["http_method"] == "GET"
        assert target["oidc_token"] == [{"audience": address, "service_account_email": "email of crm-bridge-scheduler"}]


def test_scheduler_waits_for_a_run_and_repeats_with_patience(default_deployment: Deployment) -> None:
    state = default_deployment.state()
    budget = int(default_deployment.environment("sync")["SYNC_TIME_BUDGET_SECONDS"])

    for name in ("daily", "hourly"):
        job = state[f'google_cloud_scheduler_job.main["{name}"]']
        retry = job["retry_config"][0]
        assert job["time_zone"] == "Europe/Moscow"
        assert (
            budget < _seconds(job["attempt_deadline"]) == 1800 <= _config(default_deployment, "sync")["timeout_seconds"]
        )
        assert retry["retry_count"] > 0
        assert _seconds(retry["min_backoff_duration"]) >= 120  # the longest Retry-After that passes by itself


def test_a_pause_stops_both_jobs(deployed: Deployment, configuration: Configuration) -> None:
    jobs = [f'google_cloud_scheduler_job.main["{name}"]' for name in ("daily", "hourly")]

    assert deployed.plan(schedule_paused=True) == dict.fromkeys(jobs, "update")
    assert configuration.resources["google_cloud_scheduler_job.main"]["paused"] == "${var.schedule_paused}"


def test_the_database_of_sales_is_safe(configuration: Configuration) -> None:
    database = configuration.resources["google_firestore_database.main"]

    assert database["delete_protection_state"] == "DELETE_PROTECTION_ENABLED"
    assert database["deletion_policy"] == "ABANDON"
    assert database["point_in_time_recovery_enablement"] == "POINT_IN_TIME_RECOVERY_ENABLED"


def test_old_runs_and_cards_go_by_the_field_that_the_code_writes(configuration: Configuration) -> None:
    policy = configuration.resources["google_firestore_field.expires_at"]
    written: dict[str, list[Any]] = {RUNS: [Run, JournalPart], CARDS: [Card]}

    assert policy["ttl_config"] == [{}]
    assert set(policy["for_each"]) == set(written) == {"runs", "cards"}
    for type_ in (type_ for types in written.values() for type_ in types):
        assert policy["field"] in {field.name for field in fields(type_)}


def test_the_sales_are_backed_up_every_day_for_two_weeks(default_deployment: Deployment) -> None:
    schedule = default_deployment.state()["google_firestore_backup_schedule.main"]

    assert schedule["database"] == "crm-bridge-sales"
    assert (len(schedule["daily_recurrence"]), schedule["retention"]) == (1, "1209600s")


def test_large_fields_are_not_indexed_and_not_queried(default_deployment: Deployment) -> None:
    types: dict[str, Any] = {each.name: each.type for each in (PHONES, ORDERS, SALES)}
    types |= {RUNS: JournalPart, STATE: DealUpload}
    unindexed = [
        values
        for address, values in default_deployment.state().items()
        if address.startswith("google_firestore_field.unindexed")
    ]
    queried = set(re.findall(r'_(?:by_field|query_in|latest|between)\(\w+, "(\w+)"', CODE["crm_bridge/stores/base.py"]))

    assert {"phone", "started_at", "deal_due", "at"} <= queried
    assert {"orders.payments", "runs.part"} <= {f"{values['collection']}.{values['field']}" for values in unindexed}
    for values in unindexed:
        assert len(values["index_config"]) == 1
        assert values["field"] in {field.name for field in fields(types[values["collection"]])} - queried


def test_sync_leaves_by_the_reserved_address(default_deployment: Deployment) -> None:
    state = default_deployment.state()
    config = _config(default_deployment, "sync")

    assert config["direct_vpc_egress"] == "VPC_EGRESS_ALL_TRAFFIC"
    assert config["direct_vpc_network_interface"][0]["subnetwork"] == "crm-bridge-direct"
    assert state["google_compute_router_nat.main[0]"]["nat_ips"] == [
        state["google_compute_address.main[0]"]["self_link"]
    ]
    assert state["google_compute_router_nat.main[0]"]["nat_ip_allocate_option"] == "MANUAL_ONLY"
    assert default_deployment.outputs()["egress_address"] == state["google_compute_address.main[0]"]["address"]


def test_a_connector_keeps_the_address(deployed: Deployment) -> None:
    before = deployed.state()["google_compute_address.main[0]"]

    assert deployed.plan(egress="connector") == {
        "google_vpc_access_connector.main[0]": "create",
        "google_cloudfunctions2_function.sync": "update",
    }
    deployed.apply(egress="connector")

    config = _config(deployed, "sync")
    assert config["vpc_connector_egress_settings"] == "ALL_TRAFFIC"
    assert not config["direct_vpc_network_interface"]
    assert deployed.state()["google_compute_address.main[0]"] == before


def test_the_network_can_be_left_out(new_deployment: Deployment) -> None:
    made = new_deployment.plan(egress="off")

    assert "google_cloudfunctions2_function.sync" in made
    assert not [address for address in made if address.startswith(("google_compute_", "google_vpc_"))]


def test_requests_with_a_phone_are_not_kept(default_deployment: Deployment) -> None:
    """Of all parameters only these two hold one; `tests/handlers` has what the code reads."""
    exclusion = default_deployment.state()["google_logging_project_exclusion.phones"]
    (pattern,) = re.findall(r'httpRequest\.requestUrl=~"(.*)"', exclusion["filter"])
    address = default_deployment.outputs()["sync_url"]

    dropped = ["/explain?phone=79261234567", "/explain?format=json&phone=8+926", "/runs/0f?log=all&q=1234", "/?phone=7"]
    kept = ["/?update_db", "/?update_db&dry_run&log=changes", "/runs?limit=5", "/check_setup", "/explain?format=html"]
    assert [path for path in dropped + kept if re.search(pattern, address + path)] == dropped
    assert 'log_id("run.googleapis.com/requests")' in exclusion["filter"]
    assert 'service_name="crm-bridge-sync"' in exclusion["filter"]
    assert exclusion["name"] == "crm-bridge-phones"


def test_the_pages_can_be_opened_in_a_browser(default_deployment: Deployment) -> None:
    command = default_deployment.outputs()["pages_command"]

    assert command == (
        "gcloud run services proxy crm-bridge-sync --project my-project --region europe-west1 --port 8080"
    )


def test_the_admin_gets_lines_to_paste(default_deployment: Deployment) -> None:
    lines = default_deployment.outputs()["admin_commands"].splitlines()

    assert lines[0].startswith("curl ")
    assert lines[0].endswith("'https://crm-bridge-sync.run.app/check_setup'")
    assert all(
        re.fullmatch(r"curl -sS .*\$\(gcloud auth print-identity-token\)\" 'https://\S+'", line) for line in lines
    )


ALERTS = ["run_failed", "run_missing", "run_unbalanced", "items_growing", "exchange_5xx"]


@pytest.mark.parametrize("alert", ALERTS)
def test_each_alert_is_mailed(default_deployment: Deployment, alert: str) -> None:
    state = default_deployment.state()
    policy = state[f'google_monitoring_alert_policy.main["{alert}"]']

    assert state["google_monitoring_notification_channel.main"]["labels"] == {"email_address": "me@example.com"}
    assert policy["notification_channels"] == [state["google_monitoring_notification_channel.main"]["id"]]
    assert policy["documentation"][0]["content"]


@pytest.mark.parametrize(("alert", "function"), [("run_failed", "sync"), ("run_unbalanced", "sync"),
                                                 ("exchange_5xx", "exchange")])  # fmt: skip
def test_an_event_is_alerted_by_its_line_in_the_log(default_deployment: Deployment, alert: str, function: str) -> None:
    """A metric would come minutes later, and is sparse: the first line of a new series increases nothing."""
    policy = default_deployment.state()[f'google_monitoring_alert_policy.main["{alert}"]']
    (condition,) = policy["conditions"]
    (line,) = condition["condition_matched_log"]

    assert f'resource.labels.service_name="crm-bridge-{function}"' in line["filter"]
    assert line["filter"].count("(") == line["filter"].count(")")
    assert condition["condition_prometheus_query_language"] == []
    assert policy["alert_strategy"][0]["notification_rate_limit"] == [{"period": "3600s"}]


@pytest.mark.parametrize("alert", ["run_missing", "items_growing"])
def test_what_is_missing_or_grows_is_alerted_by_metrics(default_deployment: Deployment, alert: str) -> None:
    state = default_deployment.state()
    policy = state[f'google_monitoring_alert_policy.main["{alert}"]']
    condition = policy["conditions"][0]["condition_prometheus_query_language"][0]
    metrics = {values["name"] for address, values in state.items() if address.startswith("google_logging_metric.")}
    known = {f"logging_googleapis_com:user_{re.sub('[-/]', '_', name)}" for name in metrics}

    used = {re.sub("_sum$", "", name) for name in re.findall(r"\w+:\w+", condition["query"])}
    assert used
    assert used <= known
    assert condition["query"].count("(") == condition["query"].count(")")


def test_a_missing_run_is_alerted_after_26_hours(default_deployment: Deployment) -> None:
    policy = default_deployment.state()['google_monitoring_alert_policy.main["run_missing"]']
    condition = policy["conditions"][0]["condition_prometheus_query_language"][0]

    (hours,) = re.findall(r"absent_over_time\(.*\[(\d+)h\]\)", condition["query"])
    assert int(hours) <= 25  # Monitoring refuses more for a metric made of logs
    assert int(hours) + _seconds(condition["duration"]) / 3600 == 26


def test_alerts_match_what_the_code_logs(configuration: Configuration) -> None:
    logged = set(re.findall(r'log\.(?:info|error|exception)\(\s*"([^"]+)"', "\n".join(CODE.values())))
    extra = re.findall(
        r'"run_finished",\s*extra=\{(.*?)\n        \}', CODE["crm_bridge/usecases/run_sync.py"], re.DOTALL
    )[0]
    filters = " ".join(str(configuration.locals[name]) for name in ("finished", "failed", "alerts"))

    messages = set(re.findall(r'jsonPayload\.message="([^"]+)"', filters))
    assert messages == {"run_finished", "run_failed"} <= logged
    assert set(re.findall(r"jsonPayload\.(\w+)=(?:true|false)", filters)) <= set(re.findall(r'"(\w+)":', extra))
    assert "str(result): counts[result] for result in Result" in extra
    assert set(configuration.locals["items"]) <= {str(result) for result in Result}


def _config(deployment: Deployment, function: str) -> dict[str, Any]:
    config: dict[str, Any] = deployment.state()[f"google_cloudfunctions2_function.{function}"]["service_config"][0]
    return config


def _seconds(duration: object) -> int:
    return int(str(duration).removesuffix("s"))
