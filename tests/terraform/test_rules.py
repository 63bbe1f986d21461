"""The stand-in refuses what the provider refuses."""

from __future__ import annotations

from typing import Any

import pytest

from tests.terraform.rules import RULES, UNKNOWN, broken
from tests.terraform.schema import SCHEMA

SECRET = "google_secret_manager_secret_version"
FUNCTION = "google_cloudfunctions2_function"
SCHEDULE = "google_firestore_backup_schedule"


@pytest.mark.parametrize(
    ("kind", "configuration", "refused"),
    [
        (SECRET, {"secret_data": None, "secret_data_wo": None}, "secret_data,secret_data_wo"),
        (SECRET, {"secret_data": "a", "secret_data_wo": "", "secret_data_wo_version": 1}, "data,secret_data_wo"),
        (SECRET, {"secret_data": None, "secret_data_wo": "a"}, "secret_data_wo,secret_data_wo_version"),
        (SCHEDULE, {"daily_recurrence": [], "weekly_recurrence": []}, "daily_recurrence,weekly_recurrence"),
        (FUNCTION, {"service_config": [{"vpc_connector": "a", "direct_vpc_network_interface": [{}]}]}, "conflicts"),
        ("google_cloud_scheduler_job", {"http_target": [{}], "retry_config": [{}]}, "retry_config.0.retry_count"),
    ],
)  # fmt: skip
def test_what_breaks_a_rule_is_refused(kind: str, configuration: dict[str, Any], refused: str) -> None:
    assert refused in "\n".join(broken(kind, configuration))


@pytest.mark.parametrize(
    ("kind", "configuration"),
    [
        (SECRET, {"secret_data": None, "secret_data_wo": "", "secret_data_wo_version": 1}),
        (SECRET, {"secret_data": None, "secret_data_wo": UNKNOWN, "secret_data_wo_version": UNKNOWN}),
        (SCHEDULE, {"daily_recurrence": [{}], "weekly_recurrence": []}),
        (FUNCTION, {"service_config": [{"vpc_connector": None, "direct_vpc_network_interface": [{}]}]}),
        (FUNCTION, {"service_config": [{"vpc_connector": UNKNOWN, "direct_vpc_network_interface": [{}]}]}),
        ("google_cloud_scheduler_job", {"http_target": [{}], "retry_config": []}),
    ],
)  # fmt: skip
def test_what_keeps_the_rules_is_not(kind: str, configuration: dict[str, Any]) -> None:
    assert broken(kind, configuration) == []


def test_every_rule_is_of_a_resource_that_the_schema_knows() -> None:
    assert set(RULES) <= set(SCHEMA["resources"])
