"""The running total of the CRM's money is what the orders come to, whatever replaced what."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from crm_bridge.domain.aggregate import Order, recount
from crm_bridge.domain.crm_money import CrmMoneyCount, replaced
from crm_bridge.domain.state import CrmMoney
from tests.support.factories import ANNA, BORIS, order, payment

versions = st.builds(
    lambda key, phone, nets: order(
        key, phone=phone, payments=tuple(payment(max(0, net), out_kopecks=max(0, -net)) for net in nets)
    ),
    st.sampled_from("abcde"),
    st.sampled_from([ANNA, BORIS, None]),
    st.lists(st.integers(-500, 500), max_size=3),
)
windows = st.lists(versions, max_size=4, unique_by=lambda each: each.order_id)


@given(st.lists(windows, max_size=8))
def test_it_is_the_net_of_the_newest_orders_and_of_those_without_a_phone(history: list[list[Order]]) -> None:
    stored: dict[str, Order] = {}
    money = CrmMoney()
    for window in history:
        money = replaced(money, stored, window)
        stored |= {each.order_id: each for each in window}

    nets = {key: each.net_kopecks for key, each in stored.items()}
    assert money.total_kopecks == sum(nets.values())
    assert money.without_phone_kopecks == sum(nets[key] for key, each in stored.items() if each.phone is None)
    assert money.revision == len(history)


@given(st.lists(versions, max_size=8, unique_by=lambda each: each.order_id))
def test_counting_all_orders_agrees_with_the_phones_records(orders: list[Order]) -> None:
    count = CrmMoneyCount()
    for start in range(0, len(orders), 3):
        count.add(orders[start : start + 3])

    records = [recount(phone, [each for each in orders if each.phone == phone], None, {}) for phone in (ANNA, BORIS)]
    assert count.overpaid() == {each.phone: each.overpaid_kopecks for each in records if each.overpaid_kopecks}
    assert count.money.total_kopecks == (
        sum(each.amount_kopecks - each.overpaid_kopecks for each in records) + count.money.without_phone_kopecks
    )
