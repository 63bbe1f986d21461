"""The running totals of the CRM's money: read, or counted once after an upgrade from a version without them."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from crm_bridge.domain.crm_money import CrmMoneyCount
from crm_bridge.domain.phone import PhoneRecord
from crm_bridge.domain.state import CrmMoney
from crm_bridge.ports import Changes
from crm_bridge.usecases.run_context import RunContext

log = logging.getLogger(__name__)


class CrmMoneyRead(Struct, frozen=True, kw_only=True):
    """The running totals.

    Attributes:
        overpaid: How far some phones are below zero; None where the database says so itself.
    """

    money: CrmMoney
    overpaid: Mapping[str, int] | None = None

    def overpaid_kopecks(self, phones: Iterable[PhoneRecord]) -> int:
        """Return how far all phones below zero are below it together."""
        if self.overpaid is not None:
            return sum(self.overpaid.values())
        return sum([phone.overpaid_kopecks for phone in phones])  # a list: a generator takes twice the time


async def read_crm_money(context: RunContext) -> CrmMoneyRead:
    """Return the running totals; where there are none yet, count all orders and store what they come to.

    Raises:
        RunStopped: The run's time was over before all orders were counted.
        LeaseLost: Another run has taken over.
    """
    stored = await context.services.store.state(CrmMoney)
    if stored is not None:
        return CrmMoneyRead(money=stored)
    return await context.deadline.unless_stopped(_count(context))


async def _count(context: RunContext) -> CrmMoneyRead:
    store, count, orders = context.services.store, CrmMoneyCount(), 0
    async for page in store.all_orders():
        count.add(page)
        orders += len(page)
    overpaid = count.overpaid()
    if context.lease is None:
        return CrmMoneyRead(money=count.money, overpaid=overpaid)
    phones = await store.phones(overpaid)
    changes = [Changes(phones=[replace(phone, overpaid_kopecks=overpaid[number])]) for number, phone in phones.items()]
    # The note comes last: a run killed in between counts again.
    await context.lease.write([*changes, Changes(state=[count.money])])
    log.info("crm_money_counted", extra={"orders": orders})
    return CrmMoneyRead(money=count.money)


async def is_current(context: RunContext, read: CrmMoneyRead) -> bool:
    """Say whether no other run has changed an order since; a run without the lease has to ask."""
    if context.lease is not None or read.overpaid is not None:
        return True
    return await context.services.store.state(CrmMoney) == read.money
