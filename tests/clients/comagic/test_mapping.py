"""Values of CoMagic's answers: report rows, tags, the id of a sale, in every form that is documented or was seen."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from crm_bridge.clients.comagic import mapping, wire
from crm_bridge.domain.communication import Communication, CommunicationType
from crm_bridge.errors import RemoteProtocolError
from tests.clients.comagic.answers import TOKEN, answer
from tests.support.factories import ANNA, MOSCOW, NOON

TAG = 2718
CALL = CommunicationType.CALL


def page(*found: dict[str, Any], kind: CommunicationType = CALL, keep_unusable: bool = False) -> mapping.Page:
    options = mapping.RowOptions(zone=MOSCOW, region="RU", sale_tag_id=TAG, keep_unusable=keep_unusable)
    return mapping.page(answer(result={"data": found, "metadata": {"total_items": len(found)}}), kind, options)


def call(**changes: Any) -> dict[str, Any]:
    row = {"communication_id": 5, "start_time": "2026-06-15 12:00:00", "is_lost": False, "contact_phone_number": ANNA}
    return {**row, "tags": None, "sale_cost": None, "sale_date": None, **changes}


def read(**changes: Any) -> Communication | None:
    return page(call(**changes)).rows[0].communication


class TestRows:
    def test_a_call_is_read_with_its_local_time(self) -> None:
        assert read() == Communication(type=CALL, id=5, started_at=NOON, phone=ANNA)
        assert read(is_lost=True) == Communication(type=CALL, id=5, started_at=NOON, phone=ANNA, lost=True)

    @pytest.mark.parametrize("phone", ["79261234567", 79261234567, "89261234567", "9261234567", "+7 926 123-45-67"])
    @pytest.mark.parametrize("kind", [CommunicationType.CHAT, CommunicationType.OFFLINE_MESSAGE])
    def test_every_spelling_of_a_visitors_phone_is_normalised(self, kind: CommunicationType, phone: object) -> None:
        row = {"communication_id": 5, "date_time": "2026-06-15 12:00:00", "visitor_phone_number": phone}

        assert page(row, kind=kind).rows[0].communication == Communication(type=kind, id=5, started_at=NOON, phone=ANNA)

    @pytest.mark.parametrize(
        "changes",
        [
            {"contact_phone_number": None},
            {"contact_phone_number": "anonymous"},
            {"contact_phone_number": "101"},
            {"start_time": None},
            {"communication_id": None},
            {"communication_id": "x"},
        ],
        ids=str,
    )
    def test_a_row_that_cannot_bear_a_sale_has_no_communication_and_still_counts(self, changes: dict[str, Any]) -> None:
        assert read(**changes) is None
        assert len(page(call(**changes)).rows) == 1

    @pytest.mark.parametrize(
        ("tags", "tagged"),
        [
            (None, False),
            ([], False),
            ([None], False),
            ([{"tag_id": None}], False),
            ([{"tag_id": 88}], False),
            ([{"tag_id": TAG}], True),
            ([{"tag_id": 88}, {"tag_id": TAG, "tag_name": "Продажа"}], True),
        ],
    )
    def test_the_sale_tag_counts_wherever_it_stands(self, tags: object, *, tagged: bool) -> None:
        found = read(tags=tags)

        assert found is not None
        assert found.tagged is tagged

    @pytest.mark.parametrize("cost", [4500.5, "4500.50", "4500.5"])
    def test_a_sum_is_a_number_or_a_string(self, cost: object) -> None:
        found = read(sale_cost=cost)

        assert found is not None
        assert found.sale_kopecks == 450_050
        assert found.bears_sale

    @given(st.integers(0, 10**14))
    def test_no_kopeck_is_lost_on_the_way(self, amount: int) -> None:
        content = (
            f'{{"data":[{{"communication_id":5,"start_time":"2026-06-15 12:00:00","contact_phone_number":"{ANNA}",'
        )
        content += f'"sale_cost":{amount // 100}.{amount % 100:02d}}}]}}'
        asked = wire.request("m", {}, token=TOKEN, user_id=None)
        body = f'{{"id":"{asked.id}","result":{content}}}'.encode()
        options = mapping.RowOptions(zone=MOSCOW, region="RU", sale_tag_id=TAG)

        found = mapping.page(wire.answer(asked, body, secrets=()), CALL, options).rows[0].communication

        assert found is not None
        assert found.sale_kopecks == amount

    def test_a_sale_of_which_only_the_date_is_shown_is_a_sale(self) -> None:
        found = read(sale_date="2026-06-15 13:00:00")

        assert found is not None
        assert found.bears_sale

    @pytest.mark.parametrize("cost", ["NaN", "Infinity", "1e400", "9" * 20, "1e999999999", "-1e999999999"])
    def test_a_sale_cost_that_is_no_sum_is_an_error(self, cost: str) -> None:
        with pytest.raises(RemoteProtocolError):
            read(sale_cost=cost)

    @given(
        st.integers(946_771_200, 4_133_894_400).map(  # the years 2000 to 2100
            lambda seconds: f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}"
        ),
        st.sampled_from(["Europe/Moscow", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"]),
    )
    @example("2026-03-29 02:30:00", "Europe/Berlin")  # in an hour that is left out
    @example("2026-10-25 02:30:00", "Europe/Berlin")  # in one that comes twice: its first is meant
    def test_a_time_is_read_in_the_accounts_zone_of_that_moment(self, written: str, zone: str) -> None:
        options = mapping.RowOptions(zone=ZoneInfo(zone), region="RU", sale_tag_id=TAG)

        found = mapping.page(answer(result={"data": [call(start_time=written)]}), CALL, options).rows[0]

        assert found.at == datetime.fromisoformat(written).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)

    @pytest.mark.parametrize("year", ["0001", "1999", "2101", "9999"])
    def test_a_year_of_another_age_is_an_error(self, year: str) -> None:
        with pytest.raises(RemoteProtocolError, match="time"):
            read(start_time=f"{year}-01-01 00:00:00")

    def test_a_time_may_come_with_its_offset(self) -> None:
        """An older edition of the documentation has it so."""
        found = read(start_time="2026-06-15T09:00:00Z")

        assert found is not None
        assert found.started_at == NOON

    def test_unknown_keys_are_ignored(self) -> None:
        assert read(id=77, employees=[{"x": 1}], source="new") is not None

    def test_rows_of_another_shape_are_an_error_that_shows_no_value(self) -> None:
        with pytest.raises(RemoteProtocolError, match="start_time") as raised:
            read(start_time=f"call of {ANNA}")

        assert ANNA not in str(raised.value)

    def test_lost_calls_and_hidden_callers_are_kept_when_asked_for(self) -> None:
        found = [
            row.communication
            for row in page(
                call(is_lost=True), call(communication_id=6, contact_phone_number=None), keep_unusable=True
            ).rows
        ]

        assert [(item.id, item.phone) for item in found if item] == [(5, ANNA), (6, "")]


class TestData:
    @pytest.mark.parametrize(
        "result", [{}, {"metadata": {}}, {"data": None}, True, [], "x", {"metadata": {"limits": {}}}]
    )
    def test_a_result_without_data_has_the_documented_message(self, result: object) -> None:
        with pytest.raises(RemoteProtocolError) as raised:
            mapping.sale_tag_id(answer(result=result))

        assert str(raised.value) == "No data in CoMagic answer result"

    def test_null_is_an_empty_list_when_the_total_is_zero(self) -> None:
        options = mapping.RowOptions(zone=MOSCOW, region="RU", sale_tag_id=TAG)

        assert mapping.page(answer(result={"data": None, "metadata": {"total_items": 0}}), CALL, options).rows == []

    @pytest.mark.parametrize(
        ("result", "sale_id"),
        [
            ({"data": {"id": 777001}, "metadata": {"limits": {}}}, 777001),
            ({"id": 777001}, 777001),
            ({"id": "777001", "data": None}, 777001),
            ({"data": {}, "id": 777001}, 777001),
            ({"data": {}}, None),
            ({}, None),
            ({"data": []}, None),
            ({"data": {"id": "new"}}, None),
            ({"success": True}, None),
            (True, None),
        ],
    )
    def test_the_id_of_a_sale_is_flat_or_nested_or_missing(self, result: object, sale_id: int | None) -> None:
        assert mapping.sale_id(answer(result=result)) == sale_id

    @pytest.mark.parametrize("name", ["Продажа", " продажа ", "Sale", "SALE"])
    def test_the_sale_tag_is_found_by_name_among_system_tags(self, name: str) -> None:
        tags = [
            {"id": 1, "name": "Не обработано", "is_system": True},
            {"id": 9, "name": name, "is_system": True},
            {"id": 10, "name": "Продажа", "is_system": False},
        ]

        assert mapping.sale_tag_id(answer(result={"data": tags})) == 9

    @pytest.mark.parametrize("names", [[], ["Продажи"], ["Продажа", "Sale"], [None]])
    def test_without_exactly_one_sale_tag_the_error_names_the_setting(self, names: list[str | None]) -> None:
        tags = [{"id": number, "name": name, "is_system": True} for number, name in enumerate(names)]

        with pytest.raises(RemoteProtocolError, match="COMAGIC_SALE_TAG_ID"):
            mapping.sale_tag_id(answer(result={"data": tags}))
