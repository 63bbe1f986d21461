"""What the page of a failure says above its message, and the one way on from it."""

from __future__ import annotations

from collections.abc import Mapping

from crm_bridge.errors import BridgeError, EmptyDatabase, PlanRefused, RunInProgress, SettingsError

KIND: Mapping[int, str] = {
    400: "invalid",
    401: "unauthorized",
    403: "forbidden",
    404: "unknown",
    405: "unknown",
    409: "busy",
    500: "internal",
    502: "upstream",
    503: "unavailable",
}
"""The heading of a failure, by its status."""

KIND_OF_ERROR: Mapping[type[BridgeError], str] = {
    EmptyDatabase: "empty",
    PlanRefused: "plan",
    SettingsError: "settings",
}
"""The heading of an error that shares its status with others."""

WAYS = ("start", "runs", "run", "setup", "back")
"""Links on; beside them there is the form with what was typed."""


def failure_kind(status: int, cause: BridgeError | None) -> str:
    """Return the heading of a failure, as the end of its key."""
    return KIND_OF_ERROR.get(type(cause) if cause else BridgeError, KIND.get(status, "internal"))


def way_on(path: str, status: int, cause: BridgeError | None) -> tuple[str, str]:
    """Return where a reader can go on: `form`, or one of WAYS and a path below the function's own.

    Args:
        path: That of the request.
        status: Of the answer.
        cause: The error, when there is one.
    """
    own = path.strip("/")
    if isinstance(cause, RunInProgress):
        return "run", f"runs/{cause.run_id}"
    if isinstance(cause, SettingsError):
        return "setup", "check_setup"
    if status == 400 and own == "explain":
        return "form", ""
    if status == 400 and own:
        return "back", own
    return ("runs", "runs") if own.startswith("runs/") else ("start", "start")
