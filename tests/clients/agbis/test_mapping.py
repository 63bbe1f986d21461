"""Orders and clients out of Agbis's rows, in every form that is documented or was seen."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from crm_bridge.clients.agbis import mapping, wire
from crm_bridge.domain.aggregate import ChangedOrders, Client, Order, Payment, UnreadableOrder
from crm_bridge.domain.payment_check import OrderDetails, OrderPayment
from crm_bridge.errors import RemoteProtocolError
from tests.support.factories import ANNA, MOSCOW, NOON

ORDER = {"dor_id": "1062062", "contr_id": "12345", "update": "15.06.2026+14:31:02", "doc_date": "12.06.2026"}


NOW = NOON + timedelta(hours=3)


def read_all(answer: dict[str, Any]) -> ChangedOrders:
    decoded = wire.reply("OrderByDateTimeForAll", json.dumps({"error": 0, **answer}).encode())
    return mapping.orders("OrderByDateTimeForAll", decoded, zone=MOSCOW, now=NOW)


def read(answer: dict[str, Any]) -> list[Order]:
    return read_all(answer).orders


def read_one(**changes: Any) -> Order:
    row = {key: value for key, value in {**ORDER, **changes}.items() if value is not ...}
    return read({"orders": [row]})[0]


def unreadable(**changes: Any) -> UnreadableOrder:
    """The only row of an answer, which must be one that cannot be read."""
    row = {key: value for key, value in {**ORDER, **changes}.items() if value is not ...}
    found = read_all({"orders": [row]})
    assert found.orders == []
    return found.unreadable[0]


def line(name: str, kredit: str = "100", *, own: str = "", parent: str = "") -> dict[str, str]:
    return {"dos_id": own, "parent_id": parent, "service": name, "kredit": kredit}


def test_the_documented_example_is_read_whole() -> None:
    order = read_one(
        Srvices=[line("%D0%A5%D0%B8%D0%BC%D1%87%D0%B8%D1%81%D1%82%D0%BA%D0%B0+%D0%BF%D0%B0%D0%BB%D1%8C%D1%82%D0%BE")],
        Tovars=[{"tovar_name": "%D0%A7%D0%B5%D1%85%D0%BE%D0%BB"}],
        payments=[
            {"date_pay": "12.06.2026+11:05:40", "debet": "2500", "kredit": "0"},
            {"date_pay": "15.06.2026%2014%3A20:00", "debet": "1800,50", "kredit": "0"},
            {"date_pay": "15.06.2026+14:31:00", "debet": "0", "kredit": "300"},
        ],
    )

    assert order == Order(
        order_id="1062062",
        client_id="12345",
        changed_at=datetime(2026, 6, 15, 11, 31, 2, tzinfo=UTC),
        ordered_at=datetime(2026, 6, 11, 21, 0, tzinfo=UTC),
        payments=(
            Payment(paid_at=datetime(2026, 6, 12, 8, 5, 40, tzinfo=UTC), in_kopecks=250_000, out_kopecks=0),
            Payment(paid_at=datetime(2026, 6, 15, 11, 20, tzinfo=UTC), in_kopecks=180_050, out_kopecks=0),
            Payment(paid_at=datetime(2026, 6, 15, 11, 31, tzinfo=UTC), in_kopecks=0, out_kopecks=30_000),
        ),
        services=("Химчистка пальто", "Чехол"),
        is_dated_by_day=True,
    )
    assert order.net_kopecks == 400_050


def test_what_a_deal_needs_is_read() -> None:
    order = read_one(
        doc_num="02361-3", kredit="4300,50", status_id="5", status="4", date_out_fact="16.06.2026+18:00:00"
    )

    assert (order.number, order.price_kopecks, order.status) == ("02361-3", 430_050, 5)
    assert order.issued_at == datetime(2026, 6, 16, 15, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("row", "status"),
    [({"status": "3"}, 3), ({"status_id": 7}, 7), ({"status_id": "", "status": "1"}, 1), ({"status": "new"}, None)],
)
def test_the_status_stands_under_either_key(row: dict[str, Any], status: int | None) -> None:
    assert read_one(**row).status == status


@pytest.mark.parametrize("row", [{}, {"kredit": ""}, {"kredit": "1 5OO"}, {"date_out_fact": "soon"}])
def test_an_order_is_readable_without_what_only_a_deal_needs(row: dict[str, Any]) -> None:
    order = read_one(**row)

    assert (order.number, order.price_kopecks, order.issued_at) == ("", None, None)


@pytest.mark.parametrize(
    ("row", "by_day"),
    [
        ({"doc_date": "12.06.2026"}, True),
        ({"doc_date": "12.06.2026 11:04"}, False),
        ({"doc_date": "12.06.2026", "doc_time": "11:04:10"}, False),
        ({"doc_date": ""}, False),
    ],
)
def test_a_bare_date_of_acceptance_is_known_as_one(row: dict[str, Any], by_day: bool) -> None:
    assert read_one(**row).is_dated_by_day is by_day


@pytest.mark.parametrize("key", ["orders", "order", "Orders", "ORDER"])
def test_the_list_of_orders_is_found_under_each_of_its_names(key: str) -> None:
    assert [order.order_id for order in read({key: [ORDER]})] == ["1062062"]


@pytest.mark.parametrize("nothing", [[], None, ""])
def test_a_window_without_orders_is_empty(nothing: object) -> None:
    assert read({"orders": nothing}) == []


@pytest.mark.parametrize("answer", [{}, {"Msg": ""}, {"orders": "many"}, {"orders": {"0": ORDER}}, {"orders": ["x"]}])
def test_a_missing_list_of_orders_is_an_error_not_an_empty_window(answer: dict[str, Any]) -> None:
    with pytest.raises(RemoteProtocolError, match="no list `orders`"):
        read(answer)


@pytest.mark.parametrize("value", ["", None, ...])
@pytest.mark.parametrize("field", ["dor_id", "contr_id"])
def test_an_order_without_its_ids_cannot_be_read_and_the_field_is_named(field: str, value: object) -> None:
    assert unreadable(**{field: value}).reason == field


def test_ids_that_no_database_takes_are_none() -> None:
    assert unreadable(contr_id="1" * 101).reason == "contr_id"
    assert read_one(contr_id="1\ud8002\x00").client_id == "12"


def test_a_version_that_cannot_be_read_has_its_id_and_its_time_of_change() -> None:
    assert unreadable(contr_id="") == UnreadableOrder(
        order_id="1062062", reason="contr_id", changed_at=datetime(2026, 6, 15, 11, 31, 2, tzinfo=UTC)
    )


@pytest.mark.parametrize("update", ["15.06.2027 14:31:02", "31.12.9999 23:59:59", "31.02.2026 10:00", "12.12.1899"])
def test_a_time_of_change_that_cannot_be_is_now(update: str) -> None:
    assert read_one(update=update).changed_at == NOW


def test_ids_may_be_numbers() -> None:
    order = read_one(dor_id=1062062, contr_id=12345)

    assert (order.order_id, order.client_id) == ("1062062", "12345")


@pytest.mark.parametrize("payments", [None, [], "", ...])
def test_an_order_without_payments_is_read_in_every_form_of_nothing(payments: object) -> None:
    assert read_one(payments=payments).payments == ()


def test_a_refund_may_be_a_negative_payment() -> None:
    payments = [{"debet": "1000", "kredit": "0"}, {"debet": "-250,50", "kredit": "0"}]

    assert read_one(payments=payments).net_kopecks == 74_950


@pytest.mark.parametrize(
    ("payments", "reason"),
    [
        ([{"debet": "1 5OO", "kredit": "0"}], "payments.debet"),
        ([{"debet": "0", "kredit": "?"}], "payments.kredit"),
        ([{"date_pay": "12.06.2026"}], "payments.debet"),
        ([{"debet": "1", "date_pay": "31.02.2026"}], "payments.date_pay"),
        ([{"debet": "1", "date_pay": "12.06.9999"}], "payments.date_pay"),
        ([{"debet": "1", "date_pay": "12.06.0026"}], "payments.date_pay"),
        ([{"debet": "9" * 15}], "payments (a sum over all bounds)"),
        (["1500"], "payments"),
        ({"debet": "1500"}, "payments"),
    ],
)
def test_an_order_with_a_payment_that_cannot_be_read_names_the_field(payments: object, reason: str) -> None:
    assert unreadable(payments=payments).reason == reason


def test_a_payment_without_a_date_gets_that_of_its_order() -> None:
    payments = [{"date_pay": "", "debet": "1", "kredit": ""}]

    assert read_one(payments=payments).last_paid_at == datetime(2026, 6, 11, 21, 0, tzinfo=UTC)
    assert read_one(payments=payments, doc_date="").last_paid_at == datetime(2026, 6, 15, 11, 31, 2, tzinfo=UTC)


def test_an_order_without_dates_counts_as_changed_now() -> None:
    order = read_one(update=..., doc_date=...)

    assert (order.changed_at, order.ordered_at) == (NOW, NOW)


def test_the_time_of_acceptance_may_stand_in_a_field_of_its_own() -> None:
    assert read_one(doc_time="11:04:10").ordered_at == datetime(2026, 6, 12, 8, 4, 10, tzinfo=UTC)


class TestServiceNames:
    def test_names_are_trimmed_and_not_repeated(self) -> None:
        names = [line("  Химчистка   пальто "), line("Химчистка пальто"), line(""), line("Стирка")]

        assert read_one(Srvices=names).services == ("Химчистка пальто", "Стирка")

    def test_both_spellings_of_the_list_are_read(self) -> None:
        assert read_one(Services=[line("Стирка")]).services == ("Стирка",)

    def test_the_shops_mark_before_a_name_is_dropped(self) -> None:
        names = [line("А Пиджак"), line("Куртка А"), line("а пиджак"), line("В2 Плащ"), line("A Coat")]

        assert read_one(Srvices=names).services == ("Пиджак", "Куртка А", "а пиджак", "В2 Плащ", "A Coat")

    def test_a_parent_without_money_is_not_named_beside_its_children(self) -> None:
        lines = [line("Обувь", "0", own="1"), line("Чистка", own="2", parent="1"), line("Набойки", own="3", parent="1")]

        assert read_one(Srvices=lines).services == ("Чистка", "Набойки")

    def test_a_parent_with_money_is_named(self) -> None:
        lines = [line("Обувь", "50,00", own="1"), line("Чистка", own="2", parent="1")]

        assert read_one(Srvices=lines).services == ("Обувь", "Чистка")

    def test_a_line_without_money_and_children_is_named(self) -> None:
        assert read_one(Srvices=[line("Ремонт по гарантии", "0", own="1")]).services == ("Ремонт по гарантии",)

    def test_lines_that_are_each_others_parents_are_all_named(self) -> None:
        lines = [line("Обувь", "0", own="1", parent="2"), line("Чистка", "0", own="2", parent="1")]

        assert read_one(Srvices=lines).services == ("Обувь", "Чистка")

    @pytest.mark.parametrize("lines", [None, [], "", ..., "broken", [1]])
    def test_an_order_with_unreadable_lines_is_kept_without_names(self, lines: object) -> None:
        assert read_one(Srvices=lines, Tovars=lines).services == ()


def clients(*found: dict[str, Any]) -> list[Client]:
    answer = wire.reply("ClientsByDateTimeForAll", json.dumps({"error": 0, "clients": found}).encode())
    return mapping.clients("ClientsByDateTimeForAll", answer, region="RU", now=NOON)


class TestClients:
    @pytest.mark.parametrize(
        ("fields", "phone"),
        [
            ({"teleph_cell": "%2B79261234567", "telephone": "84951112233"}, ANNA),
            ({"teleph_cell": "+79261234567"}, ANNA),  # the bare plus becomes a space
            ({"teleph_cell": "8 (926) 123-45-67"}, ANNA),
            ({"teleph_cell": "9261234567"}, ANNA),
            ({"teleph_cell": 79261234567}, ANNA),
            ({"teleph_cell": "", "telephone": "8 926 123 45 67"}, ANNA),
            ({"teleph_cell": "нет", "telephone": "8 926 123 45 67"}, ANNA),
            ({"teleph_cell": "нет", "telephone": "12"}, None),
            ({"teleph_cell": None}, None),
            ({}, None),
        ],
    )
    def test_the_phone_is_the_mobile_else_the_landline(self, fields: dict[str, Any], phone: str | None) -> None:
        (client,) = clients({"contr_id": "5", **fields})

        assert (client.client_id, client.phone, client.seen_at) == ("5", phone, NOON)

    def test_further_numbers_are_kept_too(self) -> None:
        (client,) = clients(
            {"contr_id": "5", "teleph_cell": "8(495)111-22-33, %2B79261234567", "telephone": "0037529 123-45-67 доб. 5"}
        )

        assert (client.phone, client.other_phones) == (ANNA, ("74951112233", "375291234567"))

    def test_a_client_without_an_id_is_an_error(self) -> None:
        with pytest.raises(RemoteProtocolError, match="contr_id"):
            clients({"contr_id": "", "teleph_cell": ANNA})

    def test_the_answer_about_one_client_names_its_phones_differently(self) -> None:
        answer = {"contr_id": "5", "fone_cell": "", "fone": "84951112233"}

        assert mapping.client("5", answer, region="RU", now=NOON) == Client(
            client_id="5", phone="74951112233", seen_at=NOON
        )

    @pytest.mark.parametrize("answer", [{}, {"contr_id": ""}, {"contr_id": None}, {"contr_id": "6", "fone_cell": ANNA}])
    def test_an_empty_answer_and_one_about_another_client_are_none(self, answer: dict[str, Any]) -> None:
        assert mapping.client("5", answer, region="RU", now=NOON) is None


PAY = {"dor_id": "1062062", "pay_date": "15.06.2026%2014:20:00", "pay_debet": "1800,50", "pay_kredit": "0"}


def listed(*found: dict[str, Any], key: str = "order_pays") -> list[OrderPayment]:
    answer = wire.reply("OrderPaysBetweenForAll", json.dumps({"error": 0, key: found}).encode())
    return mapping.payments(answer, zone=MOSCOW)


def details(**changes: Any) -> OrderDetails | None:
    info = {"debet": "2500", "doc_date": "12.06.2026", "contragent_id": "12345"}
    answer = {
        "error": 0,
        "dor_id": "1062062",
        "order_dop_info": {**info, **changes.pop("info", {})},
        "order_services": [{"dos_id": "1", "parent_id": "", "name": "Стирка", "kredit": "2500"}],
        "order_payments": [{"doc_id": "778812", "doc_type": "31", "kassa_debet": "2500", "card_debet": "0"}],
        **changes,
    }
    decoded = wire.reply("FullOrderInfo", json.dumps(answer).encode())
    return mapping.order_details("1062062", decoded, zone=MOSCOW)


class TestPaymentsOfADay:
    @pytest.mark.parametrize("key", ["order_pays", "Order_Pays", "payments"])
    def test_the_documented_example_is_read(self, key: str) -> None:
        paid_at = datetime(2026, 6, 15, 11, 20, tzinfo=UTC)

        assert listed(PAY, key=key) == [
            OrderPayment(order_id="1062062", payment=Payment(paid_at=paid_at, in_kopecks=180_050, out_kopecks=0))
        ]

    def test_a_bare_date_is_midnight(self) -> None:
        paid = listed({**PAY, "pay_date": "15.06.2026"})[0].payment

        assert paid is not None
        assert paid.paid_at == datetime(2026, 6, 14, 21, 0, tzinfo=UTC)

    @pytest.mark.parametrize(
        "wrong", [{"pay_date": ""}, {"pay_date": "31.02.2026"}, {"pay_debet": "1 5OO"}, {"pay_kredit": "?"}]
    )
    def test_a_row_that_cannot_be_read_is_named_without_its_payment(self, wrong: dict[str, str]) -> None:
        assert listed({**PAY, **wrong}) == [OrderPayment(order_id="1062062", payment=None)]

    def test_no_list_is_an_error(self) -> None:
        with pytest.raises(RemoteProtocolError, match="no list `order_pays`"):
            listed(key="something_new")


class TestOneOrder:
    def test_the_documented_example_is_read(self) -> None:
        assert details() == OrderDetails(
            order_id="1062062",
            client_id="12345",
            ordered_at=datetime(2026, 6, 11, 21, 0, tzinfo=UTC),
            services=("Стирка",),
            net_kopecks=250_000,
            is_dated_by_day=True,
        )

    def test_what_a_deal_needs_is_read(self) -> None:
        found = details(info={"debet": "2500", "doc_num": "02361-3", "kredit": "4300,50", "status_id": "3"})

        assert found is not None
        assert (found.number, found.price_kopecks, found.status) == ("02361-3", 430_050, 3)

    def test_every_way_of_paying_counts_and_refunds_are_taken_off(self) -> None:
        found = details(
            order_payments=[
                {"doc_id": "1", "kassa_debet": "100", "bank_debet": "20", "card_debet": "3", "bonus_debet": "0,50"},
                {"doc_id": "2", "deposit_debet": "10", "kassa_kredit": "4", "bank_kredit": "1", "card_kredit": "0"},
            ],
            info={"debet": "128,50"},
        )

        assert found is not None
        assert found.net_kopecks == 12_850

    @pytest.mark.parametrize("answer", [{"dor_id": ""}, {"dor_id": "7"}, {"dor_id": None}])
    def test_an_empty_answer_and_one_about_another_order_are_none(self, answer: dict[str, Any]) -> None:
        assert details(**answer) is None

    @pytest.mark.parametrize(
        "changes",
        [
            {"info": {"debet": "2400"}},
            {"info": {"debet": "?"}},
            {"order_payments": [{"kassa_debet": "?"}]},
            {"order_payments": []},
        ],
    )
    def test_payments_that_are_not_what_was_paid_are_an_error(self, changes: dict[str, Any]) -> None:
        with pytest.raises(RemoteProtocolError, match="not what was paid"):
            details(**changes)
