"""What Google's libraries report about a database, as errors of ours."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, TypeVar, cast

from google.api_core.exceptions import (
    Aborted,
    Forbidden,
    GatewayTimeout,
    GoogleAPIError,
    InternalServerError,
    NotFound,
    RetryError,
    ServiceUnavailable,
    TooManyRequests,
    Unauthorized,
)
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError

from crm_bridge.errors import StoreUnavailable
from crm_bridge.redaction import redact_remote
from crm_bridge.stores import causes

_RETRY_AFTER = 30
"""Seconds after which another try may succeed: we have repeated the call ourselves before."""

_CAUSES: dict[type[Exception], str] = {
    Aborted: causes.LOCKED,
    DefaultCredentialsError: causes.NO_CREDENTIALS,
    Forbidden: causes.NO_PERMISSION,
    GatewayTimeout: causes.NO_ANSWER,
    NotFound: causes.MISSING,
    RetryError: causes.NO_ANSWER,
    ServiceUnavailable: causes.NO_ANSWER,
    TimeoutError: causes.NO_ANSWER,
    Unauthorized: causes.NO_PERMISSION,
}
"""The causes of errors and of those below them, such as PermissionDenied below Forbidden."""

_MAY_PASS = (
    Aborted,
    GatewayTimeout,
    InternalServerError,
    RetryError,
    ServiceUnavailable,
    TimeoutError,
    TooManyRequests,
)


Method = TypeVar("Method", bound=Callable[..., Awaitable[Any]])


def reporting_failures(method: Method) -> Method:
    """Let a method of an object that has a `connection` raise StoreUnavailable for what the libraries raise."""

    @wraps(method)
    async def reporting(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return await method(self, *args, **kwargs)
        except (GoogleAPIError, GoogleAuthError, TimeoutError) as exc:
            raise unavailable(self.connection.place, exc) from exc

    return cast("Method", reporting)


def unavailable(place: str, exc: Exception) -> StoreUnavailable:
    """Make our error of a failure of the database.

    Args:
        place: The project and the database.
        exc: What a library of Google's has raised, or a TimeoutError.
    """
    cause = next((_CAUSES[kind] for kind in type(exc).__mro__ if kind in _CAUSES), None)
    may_pass = isinstance(exc, _MAY_PASS) or (isinstance(exc, GoogleAuthError) and exc.retryable)
    return StoreUnavailable(place, cause or redact_remote(exc), retry_after=_RETRY_AFTER if may_pass else None)
