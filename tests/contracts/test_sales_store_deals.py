"""What every SalesStore promises about deals: those that are due, contacts, and what was learned of the account."""

from __future__ import annotations

from datetime import timedelta

import pytest

from crm_bridge.domain.communication import CommunicationType
from crm_bridge.domain.deal import Deal, DealContact, DealRefusal, DealStage, SentDeal
from crm_bridge.domain.state import DealAccount, DealUpload
from crm_bridge.ports import Changes, SalesStore
from tests.support.factories import ANNA, BORIS, MICROSECOND, NOON, event, lease, order

pytestmark = pytest.mark.anyio

LONG_AGO = NOON - timedelta(days=4000)

DEAL = Deal(
    number="02361-3",
    created_at=NOON,
    stage=DealStage.PAID,
    stage_at=NOON,
    modified_at=NOON + MICROSECOND,
    revenue_kopecks=-1,
    comment="“Ёлка” 🎄",
    client_id="c1",
    phones=(ANNA, BORIS),
    communication_type=CommunicationType.CHAT,
    communication_id=7,
)


@pytest.fixture
async def held(store: SalesStore) -> SalesStore:
    """The store, with its lease held by run `r1`."""
    await store.take_lease(lease("r1"), now=NOON)
    return store


async def test_everything_that_an_order_keeps_of_its_deal_comes_back(held: SalesStore) -> None:
    full = order(
        "1",
        number="02361-3",
        status=5,
        price_kopecks=1,
        issued_at=NOON,
        is_dated_by_day=True,
        first_changed_at=NOON,
        deal=DEAL,
        deal_due=NOON,
        deal_refusal=DealRefusal(reason="invalid_parameter_value", at=NOON),
    )
    await held.write([Changes(orders=[full])], run_id="r1")

    assert await held.orders(["1"]) == {"1": full}


async def test_the_orders_that_are_due_come_oldest_first_in_pages(held: SalesStore) -> None:
    due = [order(f"{number:03}", deal_due=NOON - timedelta(hours=number)) for number in range(450)]
    done = [order(f"d{number}") for number in range(50)]
    await held.write([Changes(orders=[each]) for each in (*done, *due)], run_id="r1")

    first = await held.orders_due(LONG_AGO, NOON, 400)
    rest = await held.orders_due(first[-1].deal_due or NOON, NOON, 400)

    assert [found.order_id for found in first] == [f"{number:03}" for number in range(449, 49, -1)]
    assert [found.order_id for found in rest] == [f"{number:03}" for number in range(50, -1, -1)]


async def test_an_order_is_due_from_its_microsecond_on_until_it_is_done(held: SalesStore) -> None:
    await held.write([Changes(orders=[order("1", deal_due=NOON + MICROSECOND)])], run_id="r1")

    moment, before, after = NOON + MICROSECOND, NOON, NOON + 2 * MICROSECOND
    assert [found.order_id for found in await held.orders_due(moment, moment, 9)] == ["1"]
    assert await held.orders_due(after, after, 9) == await held.orders_due(LONG_AGO, before, 9) == []
    await held.write([Changes(orders=[order("1")])], run_id="r1")
    assert await held.orders_due(LONG_AGO, NOON, 9) == []


async def test_changes_of_sales_are_found_from_a_moment_on(held: SalesStore) -> None:
    events = [event(ANNA, f"r{minute}", at=NOON + timedelta(minutes=minute)) for minute in (3, 1, 2)]
    await held.write([Changes(events=events)], run_id="r1")

    found = await held.events_between(NOON + timedelta(minutes=2), NOON + timedelta(minutes=9), 9)

    assert [each.run_id for each in found] == ["r2", "r3"]
    assert [each.run_id for each in await held.events_between(NOON, NOON + timedelta(minutes=9), 1)] == ["r1"]


async def test_contacts_are_replaced_by_their_client(held: SalesStore) -> None:
    first = DealContact(client_id="1/2", phones=(ANNA,), created_at=NOON)
    second = DealContact(client_id="1/2", phones=(), created_at=NOON)
    await held.write([Changes(deal_contacts=[first])], run_id="r1")

    assert await held.deal_contacts(["1/2", "3"]) == {"1/2": first}
    await held.write([Changes(deal_contacts=[second])], run_id="r1")
    assert await held.deal_contacts(["1/2"]) == {"1/2": second}
    assert await held.deal_contacts([]) == {}


async def test_what_was_learned_of_the_account_comes_back(held: SalesStore) -> None:
    account = DealAccount(
        funnel="agbis", stages={stage: f"{stage}-x" for stage in DealStage}, name_limit=12, reuses_ids=False
    )
    upload = DealUpload(
        sent=tuple(
            SentDeal(order_id=f"{number}", created_at=NOON, stage=DealStage.ISSUED, stage_at=NOON, modified_at=NOON)
            for number in range(2000)
        )
    )

    assert await held.state(DealAccount) is None
    await held.write([Changes(state=[account, upload])], run_id="r1")
    assert await held.state(DealAccount) == account
    assert await held.state(DealUpload) == upload
