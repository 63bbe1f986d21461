"""What Google keeps between two calls of Terraform, and what it refuses: as much as our files can meet."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from typing import Any

State = dict[str, Any]


class Refused(Exception):
    """Google does not do what was asked; the text is Google's."""


class Cloud:
    """One project.

    Attributes:
        databases: Firestore's databases by their full name, those that Terraform has forgotten too.
        fields: The settings of single fields, (database, collection, field): whether documents expire by it.
        payloads: What secrets hold, by their name and version.
    """

    def __init__(self) -> None:
        self.databases: dict[str, State] = {}
        self.fields: dict[tuple[str, str, str], bool] = {}
        self.payloads: dict[tuple[str, str], str] = {}

    def copy(self) -> Cloud:
        return copy.deepcopy(self)

    def write(self, kind: str, prior: State | None, planned: State, configuration: Mapping[str, Any]) -> None:
        """Create or update a resource.

        Raises:
            Refused: Google's reason.
        """
        check = _WRITES.get(kind)
        if check:
            check(self, prior, planned, configuration)

    def delete(self, kind: str, prior: State) -> None:
        """Delete a resource, if its policy says so.

        Raises:
            Refused: Google's reason.
        """
        if prior.get("deletion_policy") == "ABANDON":
            return
        if kind == "google_firestore_database":
            if prior["delete_protection_state"] == "DELETE_PROTECTION_ENABLED":
                raise Refused(f"Database {prior['name']} has delete protection enabled")
            self.databases.pop(_database(prior), None)
            self.fields = {field: ttl for field, ttl in self.fields.items() if field[0] != prior["name"]}
        elif kind == "google_firestore_field":
            self.fields.pop(_field(prior), None)

    def read(self, kind: str, state: State) -> State | None:
        """Return a resource as Google shows it; None when it is gone."""
        if kind == "google_firestore_database":
            return state if _database(state) in self.databases else None
        if kind == "google_monitoring_dashboard":
            return {**state, "dashboard_json": json.dumps(_shown(json.loads(state["dashboard_json"])))}
        if kind == "google_logging_metric":
            return {**state, "bucket_options": state["bucket_options"] or _default_buckets(state)}
        return state

    def data(self, kind: str, asked: State) -> State:
        """Return what a data source adds to what was asked for."""
        if kind == "google_secret_manager_secret_version_access":
            return {"secret_data": self.payloads[asked["secret"], asked["version"]]}
        return {}

    def find(self, name: str) -> State:
        """Return what `terraform import` finds under a database's full name; the policy is Terraform's own.

        Raises:
            Refused: There is no such database.
        """
        if name not in self.databases:
            raise Refused(f"Cannot import non-existent remote object {name}")
        return {**self.databases[name], "deletion_policy": None}

    def _database(self, prior: State | None, planned: State, _: Mapping[str, Any]) -> None:
        if prior is None and _database(planned) in self.databases:
            raise Refused("Error 409: Database already exists. Please use another database_id")
        self.databases[_database(planned)] = planned

    def _field(self, _prior: State | None, planned: State, _: Mapping[str, Any]) -> None:
        self.fields[_field(planned)] = bool(planned["ttl_config"])

    def _secret_version(self, prior: State | None, planned: State, configuration: Mapping[str, Any]) -> None:
        if prior is None:
            payload = configuration["secret_data"] or configuration["secret_data_wo"]
            if not payload:
                raise Refused("Error 400: Field [payload] is required.")
            self.payloads[planned["secret"].removeprefix("id of "), planned["version"]] = payload

    def _function(self, _prior: State | None, planned: State, _: Mapping[str, Any]) -> None:
        (config,) = planned["service_config"]
        if config["vpc_connector"] and (config["direct_vpc_egress"] or config["direct_vpc_network_interface"]):
            raise Refused("Error 400: a VPC connector and Direct VPC egress exclude each other")

    def _alert_policy(self, _prior: State | None, planned: State, _: Mapping[str, Any]) -> None:
        of_logs = [condition for condition in planned["conditions"] if condition["condition_matched_log"]]
        limited = any(strategy["notification_rate_limit"] for strategy in planned["alert_strategy"])
        if bool(of_logs) != limited or (of_logs and len(planned["conditions"]) > 1):
            raise Refused(
                "Error 400: a condition on logs stands alone and needs a notification_rate_limit, others have none"
            )


_WRITES: Mapping[str, Callable[[Cloud, State | None, State, Mapping[str, Any]], None]] = {
    "google_firestore_database": Cloud._database,
    "google_firestore_field": Cloud._field,
    "google_secret_manager_secret_version": Cloud._secret_version,
    "google_cloudfunctions2_function": Cloud._function,
    "google_monitoring_alert_policy": Cloud._alert_policy,
}


def _database(state: State) -> str:
    return f"projects/{state['project']}/databases/{state['name']}"


def _field(state: State) -> tuple[str, str, str]:
    return (state["database"], state["collection"], state["field"])


def _default_buckets(metric: State) -> list[State]:
    """What Monitoring gives a distribution whose metric names no buckets."""
    if metric["metric_descriptor"][0]["value_type"] != "DISTRIBUTION":
        return []
    buckets = {"growth_factor": 2, "num_finite_buckets": 64, "scale": 0.01}
    return [{"explicit_buckets": [], "linear_buckets": [], "exponential_buckets": [buckets]}]


def _shown(dashboard: Any) -> Any:
    """A dashboard as Monitoring answers it: its 64-bit numbers are texts, and it has an etag."""
    grid = dashboard.get("gridLayout", {})
    return {**dashboard, "etag": "1", "gridLayout": {**grid, "columns": str(grid["columns"])}}
