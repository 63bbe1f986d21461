"""What Google's libraries raise, as errors of ours."""

from __future__ import annotations

from typing import Any

import pytest
from google.api_core import exceptions as api
from google.auth import exceptions as auth

from crm_bridge.stores import causes
from crm_bridge.stores.firestore.failures import unavailable

google: Any = api
google_auth: Any = auth  # the constructors of both have no types


@pytest.mark.parametrize(
    ("exc", "cause", "retry_after"),
    [
        (google.Aborted("x"), causes.LOCKED, 30),
        (google.DeadlineExceeded("x"), causes.NO_ANSWER, 30),
        (google.ServiceUnavailable("x"), causes.NO_ANSWER, 30),
        (google.RetryError("x", cause=google.ServiceUnavailable("x")), causes.NO_ANSWER, 30),
        (TimeoutError(), causes.NO_ANSWER, 30),
        (google.ResourceExhausted("Quota exceeded."), "429 Quota exceeded.", 30),
        (google.InternalServerError("An internal error"), "500 An internal error", 30),
        (google.PermissionDenied("x"), causes.NO_PERMISSION, None),
        (google.Unauthenticated("x"), causes.NO_PERMISSION, None),
        (google.NotFound("The database (default) does not exist for project p1"), causes.MISSING, None),
        (google.InvalidArgument("Too large"), "400 Too large", None),
        (google_auth.DefaultCredentialsError("x"), causes.NO_CREDENTIALS, None),
        (google_auth.RefreshError("no token"), "no token", None),
        (google_auth.TransportError("no way", retryable=True), "no way", 30),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_a_failure_has_a_cause_and_the_time_to_try_again(exc: Exception, cause: str, retry_after: int | None) -> None:
    failed = unavailable("p1/(default)", exc)

    assert str(failed) == f"STORE_URL: the database p1/(default) cannot be used: {cause}"
    assert failed.retry_after == retry_after


def test_neither_an_address_nor_a_phone_of_the_report_is_passed_on() -> None:
    text = "projects/p1/databases/d/documents/sales/79261234567-r1 at https://example.org/?key=s3cret is wrong"

    failed = str(unavailable("p1/d", google.InvalidArgument(text)))

    for word in ("79261234567", "s3cret", "example.org"):
        assert word not in failed
