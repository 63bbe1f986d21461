"""Errors of CoMagic: each mnemonic becomes the exception that says what a caller can do."""

from __future__ import annotations

from typing import Any

import pytest

from crm_bridge.clients.comagic.errors import LimitExceeded
from crm_bridge.errors import (
    AccessDenied,
    AlreadyExists,
    Barrier,
    InvalidDate,
    NotFound,
    QuotaSpent,
    RemoteProtocolError,
    RemoteRejected,
    RemoteUnavailable,
)
from tests.clients.comagic.answers import TOKEN, answer, failure
from tests.sandbox.comagic.errors import ERRORS
from tests.support.factories import ANNA

BARRIERS = {
    "access_token_invalid": Barrier.KEY,
    "access_token_expired": Barrier.KEY,
    "access_token_blocked": Barrier.KEY,
    "auth_error": Barrier.KEY,
    "ip_not_whitelisted": Barrier.ADDRESS,
    "account_inactive": Barrier.ACCOUNT,
    "forbidden": Barrier.RIGHT,
    "method_component_disabled": Barrier.COMPONENT,
    "parameter_component_disabled": Barrier.COMPONENT,
    "tariff_restrictions": Barrier.COMPONENT,
}
CLASSES: dict[str, type[Exception]] = {
    **dict.fromkeys(BARRIERS, AccessDenied),
    "limit_exceeded": LimitExceeded,
    "internal_error": RemoteUnavailable,
    "entity_not_found": NotFound,
    "duplicate_entity": AlreadyExists,
    "invalid_date_time": InvalidDate,
}
FATAL = {
    "access_token_invalid",
    "access_token_expired",
    "access_token_blocked",
    "auth_error",
    "ip_not_whitelisted",
    "account_inactive",
    "data_limit_exceeded",
}


def rejection(error: dict[str, Any]) -> RemoteRejected:
    with pytest.raises(RemoteRejected) as raised:
        answer(error)
    return raised.value


@pytest.mark.parametrize("mnemonic", sorted(set(ERRORS) | {"batch_opreations_not_supported"}))
def test_every_mnemonic_becomes_its_exception_and_keeps_its_name_and_text(mnemonic: str) -> None:
    code, message = ERRORS.get(mnemonic, (-32099, "Batch operations not supported"))
    expected = CLASSES.get(mnemonic, RemoteRejected)

    with pytest.raises(expected) as raised:
        answer(failure(mnemonic, code, message))

    assert type(raised.value) is expected
    assert str(raised.value).startswith(f"CoMagic: {mnemonic}: {message}")
    assert not isinstance(raised.value, QuotaSpent)
    if isinstance(raised.value, RemoteRejected):
        assert raised.value.code == mnemonic


@pytest.mark.parametrize(("mnemonic", "barrier"), BARRIERS.items())
def test_denied_access_names_its_barrier(mnemonic: str, barrier: Barrier) -> None:
    error = rejection(failure(mnemonic))

    assert isinstance(error, AccessDenied)
    assert error.barrier is barrier


@pytest.mark.parametrize("mnemonic", sorted((set(ERRORS) - {"limit_exceeded", "internal_error"}) | {"something_new"}))
def test_only_a_refusal_that_every_other_call_would_meet_is_fatal(mnemonic: str) -> None:
    assert rejection(failure(mnemonic)).fatal is (mnemonic in FATAL)


@pytest.mark.parametrize(
    ("code", "expected"),
    [(-32603, RemoteUnavailable), (-32029, LimitExceeded), (-32602, RemoteRejected), (-1, RemoteRejected)],
)
@pytest.mark.parametrize("mnemonic", ["something_new", None])
def test_a_new_mnemonic_is_judged_by_its_code(mnemonic: str | None, code: int, expected: type[Exception]) -> None:
    with pytest.raises(expected):
        answer(failure(mnemonic, code))


def test_a_known_mnemonic_counts_more_than_its_code() -> None:
    assert isinstance(rejection(failure("entity_not_found", -32603)), NotFound)


class TestAddress:
    @pytest.mark.parametrize("message", ["Your IP 203.0.113.7 is not whitelisted", "no"])
    def test_the_message_names_the_address_once(self, message: str) -> None:
        error = rejection(failure("ip_not_whitelisted", -32003, message, params={"ip": "203.0.113.7"}))

        assert str(error).count("203.0.113.7") == 1

    @pytest.mark.parametrize(
        ("message", "params", "address"),
        [
            ("no", {"ip": "203.0.113.7"}, "203.0.113.7"),
            ("Your IP 203.0.113.7 is not whitelisted", {}, "203.0.113.7"),
            ("Your IP (2001:db8::7), is not whitelisted", {}, "2001:db8::7"),
            ("no", {}, None),
            ("no", {"ip": "unknown"}, None),
            ("no", None, None),
        ],
    )
    def test_our_address_is_taken_from_the_parameters_or_the_text(
        self, message: str, params: object, address: str | None
    ) -> None:
        error = rejection(failure("ip_not_whitelisted", -32003, message, params=params))

        assert isinstance(error, AccessDenied)
        assert error.address == address


def test_a_refusal_for_the_quota_brings_its_limits() -> None:
    limits = {"minute_remaining": 0, "minute_reset": 7}
    with pytest.raises(LimitExceeded) as raised:
        answer(failure("limit_exceeded", -32029, params={"limit_type": "minute"}, metadata={"limits": limits}), id=None)

    assert raised.value.limits == limits
    assert "minute" in raised.value.kind


@pytest.mark.parametrize("error", ["text", 5, [], {"code": "x"}, {"data": {"mnemonic": 5}}])
def test_an_error_of_another_shape_is_a_protocol_error(error: object) -> None:
    with pytest.raises(RemoteProtocolError):
        answer(error)


@pytest.mark.parametrize("error", [{}, {"code": -32000}, {"message": "m"}, {"code": 1, "data": None}])
def test_an_error_may_lack_every_part(error: dict[str, Any]) -> None:
    with pytest.raises(RemoteRejected):
        answer(error)


def test_a_message_does_not_repeat_secrets() -> None:
    error = rejection(failure("access_token_invalid", -32001, f"{TOKEN} of {ANNA} is bad"))

    assert str(error) == "CoMagic: access_token_invalid: *** of *** is bad"


@pytest.mark.parametrize(
    "mnemonic", ["t0p-secret", "Forbidden", "client_79261234567", "a b", "x" * 65, "нет", "forbidden\n", "79261234567"]
)
def test_what_is_no_mnemonic_reaches_neither_code_nor_text(mnemonic: str) -> None:
    with pytest.raises(RemoteRejected) as raised:
        answer(error=failure(mnemonic, code=-32001))

    assert raised.value.code == "-32001"
    assert mnemonic not in str(raised.value)


def test_a_mnemonic_that_is_new_to_us_is_the_code() -> None:
    with pytest.raises(RemoteRejected) as raised:
        answer(error=failure("something_new_2"))

    assert raised.value.code == "something_new_2"
