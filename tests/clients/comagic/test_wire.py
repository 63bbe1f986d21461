"""CoMagic on the wire: what requests look like, and what every answer and error is taken for."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_bridge.clients.comagic import wire
from crm_bridge.clients.retry import MalformedResponse
from crm_bridge.domain.communication import CommunicationKey, CommunicationType
from crm_bridge.domain.sale import Sale
from crm_bridge.errors import RemoteProtocolError, RemoteRejected
from tests.clients.comagic.answers import TOKEN, answer, failure
from tests.support.factories import MOSCOW, NOON

TAG = 2718
CALL = CommunicationType.CALL


def sale(**changes: Any) -> Sale:
    values: dict[str, Any] = {
        "type": CALL,
        "id": 3360109114,
        "started_at": NOON,
        "sold_at": NOON,
        "amount_kopecks": 320_000,
        "comment": "Чистка",
    }
    return Sale(**{**values, **changes})


class TestRequests:
    def test_a_request_is_one_json_rpc_object_with_the_token_inside(self) -> None:
        request = wire.request("get.tags", {"limit": 1}, token=TOKEN, user_id=None)

        assert json.loads(request.content) == {
            "jsonrpc": "2.0",
            "id": request.id,
            "method": "get.tags",
            "params": {"access_token": TOKEN, "limit": 1},
        }
        assert TOKEN not in repr(request)

    def test_every_request_has_an_id_of_its_own(self) -> None:
        assert len({wire.request("m", {}, token=TOKEN, user_id=None).id for _ in range(100)}) == 100

    def test_an_agency_names_its_customer(self) -> None:
        request = wire.request("get.tags", {}, token=TOKEN, user_id=7)

        assert json.loads(request.content)["params"]["user_id"] == 7

    @given(st.integers(1, 10**12))
    def test_a_sum_is_sent_as_a_number_to_the_kopeck(self, amount: int) -> None:
        request = wire.request("m", wire.set_sale(sale(amount_kopecks=amount), MOSCOW), token=TOKEN, user_id=None)

        sent = json.loads(request.content, parse_float=Decimal, parse_int=Decimal)["params"]["transaction_value"]
        assert sent * 100 == amount
        assert f'"transaction_value":{amount // 100}.{amount % 100:02d}'.encode() in request.content

    def test_a_sale_is_dated_in_local_time(self) -> None:
        assert wire.set_sale(sale(), MOSCOW) == {
            "communication_id": 3360109114,
            "communication_type": "call",
            "date_time": "2026-06-15 12:00:00",
            "transaction_value": Decimal("3200.00"),
            "comment": "Чистка",
        }

    def test_an_empty_comment_is_left_out(self) -> None:
        assert "comment" not in wire.set_sale(sale(comment=""), MOSCOW)

    def test_the_sale_tag_is_unset_by_its_id(self) -> None:
        key = CommunicationKey(CommunicationType.OFFLINE_MESSAGE, 28048731)

        assert wire.unset_tag(key, TAG) == {
            "communication_id": 28048731,
            "communication_type": "offline_message",
            "tag_id": TAG,
        }


class TestAnswer:
    @pytest.mark.parametrize("body", [{}, {"result": None}, {"result": None, "error": None}])
    def test_an_answer_with_neither_result_nor_error_has_the_documented_message(self, body: dict[str, Any]) -> None:
        with pytest.raises(RemoteProtocolError) as raised:
            answer(**body)

        assert str(raised.value) == "No result in CoMagic answer"

    def test_the_id_of_a_success_must_be_that_of_the_request(self) -> None:
        for other in ("another", None, 1):
            with pytest.raises(RemoteProtocolError, match="id"):
                answer(result={}, id=other)

    def test_the_id_of_an_error_does_not_matter(self) -> None:
        with pytest.raises(RemoteRejected, match="forbidden"):
            answer(failure("forbidden", -32003), id=None)

    @pytest.mark.parametrize("content", [b"", b"<html>", b'{"jsonrpc":"2.0","id":"1","resu', b"[]", b'"x"', b"\xff"])
    def test_an_answer_that_is_no_json_object_is_malformed(self, content: bytes) -> None:
        with pytest.raises(MalformedResponse):
            wire.answer(wire.request("m", {}, token=TOKEN, user_id=None), content, secrets=())

    def test_every_part_of_a_result_is_optional(self) -> None:
        results: list[object] = [{}, {"data": {}}, {"data": {}, "metadata": None}, {"success": "true"}, True, [], "ok"]
        for result in results:
            assert answer(result=result).limits == {}

    def test_limits_are_kept_under_whatever_names_they_have(self) -> None:
        limits = {"minute_limit": 60, "minute_remaining": 59, "minute_reset": 12, "hour_limit": 4000, "new": "x"}

        assert answer(result={"metadata": {"limits": limits}}).limits == {
            name: value for name, value in limits.items() if name != "new"
        }


def test_local_times_are_written_without_offset() -> None:
    assert wire.local(datetime(2026, 6, 15, 21, 0, 5, 999_999, tzinfo=UTC), MOSCOW) == "2026-06-16 00:00:05"
