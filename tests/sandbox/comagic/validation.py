"""The checks of a request, in CoMagic's order, before anything is done."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.sandbox.clock import Clock
from tests.sandbox.comagic.access import has_component, is_granted
from tests.sandbox.comagic.errors import ApiError
from tests.sandbox.comagic.limits import Quota
from tests.sandbox.comagic.params import SPECS, Params, Spec, check
from tests.sandbox.comagic.switches import CoMagicSwitches

CUSTOMER_ID = 4242
"""The client of an agency, as `user_id`."""

_SESSION_LIFE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Call:
    """A valid request."""

    id: Any
    method: str
    params: Params
    spec: Spec


def parse_body(body: bytes) -> Any:
    """Parse JSON with exact numbers; None when it is none."""
    try:
        return json.loads(body.decode(), parse_float=Decimal, parse_constant=_no_constant)
    except (ValueError, UnicodeDecodeError, RecursionError):
        return None


def _no_constant(name: str) -> Any:
    raise ValueError(name)


class RequestValidator:
    """Accepts requests, or refuses them with the first error.

    Attributes:
        sessions: Tokens of login.user and when they end.
    """

    def __init__(self, clock: Clock, quota: Quota, token: str, login: str, password: str) -> None:
        self.sessions: dict[str, datetime] = {}
        self._clock = clock
        self._quota = quota
        self._token = token
        self._login = login
        self._password = password

    def validate(self, envelope: Any, address: str, switches: CoMagicSwitches) -> Call:
        """Check a request: envelope, method, token, IP, account, limits, rights, parameters.

        Raises:
            ApiError: The first check that fails.
        """
        method, params = _method(envelope)
        spec = SPECS[method]
        if method != "login.user":
            self._check_token(params, switches)
        if switches.ip_blocked:
            raise ApiError("ip_not_whitelisted", params={"ip": address}, known_account=False)
        if not switches.account_active:
            raise ApiError("account_inactive", known_account=False)
        if not spec.free:
            self._quota.check()
        if not has_component(method, spec, switches):
            raise ApiError("method_component_disabled", params={"components": list(spec.components)})
        if spec.rights and not any(is_granted(right, switches) for right in spec.rights):
            raise ApiError("forbidden")
        if switches.key_of == "agency" and "user_id" in spec.types and params.get("user_id") != CUSTOMER_ID:
            raise ApiError("forbidden")
        check(params, spec)
        return Call(envelope["id"], method, params, spec)

    def login(self, params: Params) -> dict[str, Any]:
        """Do login.user."""
        if params["login"] != self._login or params["password"] != self._password:
            raise ApiError("auth_error", known_account=False)
        expires = self._clock.now() + _SESSION_LIFE
        token = f"session-{len(self.sessions) + 1}"
        self.sessions[token] = expires
        return {"access_token": token, "expire_at": int(expires.timestamp()), "app_id": 4735}

    def _check_token(self, params: Params, switches: CoMagicSwitches) -> None:
        token = params.get("access_token")
        if token is None:
            raise ApiError("required_parameter_missed", "access_token", known_account=False)
        if not isinstance(token, str):
            raise ApiError("data_type_error", "access_token", token, known_account=False)
        if token in self.sessions:
            if self._clock.now() >= self.sessions[token]:
                raise ApiError("access_token_invalid", "access_token", known_account=False)
            return
        if token != self._token:
            raise ApiError("access_token_invalid", "access_token", known_account=False)
        if switches.key != "valid":
            raise ApiError(f"access_token_{switches.key}", "access_token", known_account=False)


def _method(envelope: Any) -> tuple[str, Params]:
    def refuse(mnemonic: str) -> ApiError:
        return ApiError(mnemonic, known_account=False)

    if isinstance(envelope, list):
        raise refuse("batch_operations_not_supported")
    if envelope is None:
        raise refuse("parse_error")
    if not isinstance(envelope, dict):
        raise refuse("invalid_request")
    if "id" not in envelope:
        raise refuse("notifications_not_supported")
    identity = envelope["id"]
    if isinstance(identity, bool) or not isinstance(identity, (str, int, Decimal)):
        raise refuse("invalid_request")
    method, params = envelope.get("method"), envelope.get("params", {})
    if envelope.get("jsonrpc") != "2.0" or not isinstance(method, str) or not isinstance(params, dict):
        raise refuse("invalid_request")
    if method not in SPECS:
        raise refuse("method_not_found")
    return method, params
