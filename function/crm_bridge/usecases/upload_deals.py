"""Send to CoMagic the deals of the orders that have changed: what differs only, oldest first, a thousand a request.

It comes after the sales, on what points and time they leave. Nothing is asked of CoMagic when no order is due.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from msgspec import Struct, field
from msgspec.structs import replace

from crm_bridge.domain.aggregate import Order
from crm_bridge.domain.communication import CommunicationKey
from crm_bridge.domain.deal import SentDeal
from crm_bridge.domain.deal_of_order import contact_phones, deal_of
from crm_bridge.domain.deals_report import DealsReport
from crm_bridge.domain.journal import Journal
from crm_bridge.domain.phone import PhoneRecord
from crm_bridge.domain.run import Phase
from crm_bridge.domain.sale import SaleEvent
from crm_bridge.domain.state import DealAccount, DealUpload
from crm_bridge.errors import AccessDenied, Barrier, QuotaSpent, RemoteError, RunStopped
from crm_bridge.ports import CallTracking
from crm_bridge.usecases.deal_contacts import DealContacts
from crm_bridge.usecases.deal_session import DealItem, DealSession
from crm_bridge.usecases.lease import LeaseKeeper
from crm_bridge.usecases.run_context import RunContext
from crm_bridge.usecases.send_deals import DealSender

T = TypeVar("T")

log = logging.getLogger(__name__)

BATCH = 1000
"""Orders of one request."""

KEPT_POINTS = 5
"""Points of the day that sales leave to deals: a thousand orders cost two, a first run two more."""

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_BY_COMMUNICATION = "communication"


async def upload_deals(context: RunContext, call_tracking: CallTracking, journal: Journal) -> None:
    """Send the deals that are due, filling `journal.deals`.

    A run with `limit` or `confirm` sends none, and so does one whose reports were shrunken: what it may change was
    agreed to without deals, or CoMagic cannot be trusted at the moment.

    Raises:
        LeaseLost: Another run has taken over.
    """
    report = journal.deals = DealsReport()
    upload = _Upload(context=context, call_tracking=call_tracking, report=report, now=context.services.clock.now())
    request = context.request
    if request.limit is None and request.confirm is None and not journal.reports_shrunken:
        try:
            await upload.run()
        except (RemoteError, RunStopped) as exc:
            upload.note_stop(journal, exc)
        else:
            upload.is_done = True
    if not upload.is_done and not request.dry_run:
        report.deferred = await upload.left_over()
    journal.complete = journal.complete and (report.deferred == 0 or report.is_denied)
    log.info(
        "deals_finished",
        extra={
            "uploaded": report.uploaded,
            "unchanged": report.unchanged,
            "failed": len(report.refused),
            "deferred": report.deferred,
        },
    )


class _Upload(Struct, kw_only=True):
    """The deals of one run.

    Attributes:
        session: What the steps share; None for a dry run, which sends nothing.
        now: When deals began; what becomes due later is left to the next run.
        account, sent: As the run has found them.
        is_done: Nothing is left over.
    """

    context: RunContext
    call_tracking: CallTracking
    report: DealsReport
    now: datetime
    session: DealSession | None = None
    account: DealAccount = field(default_factory=lambda: DealAccount(funnel=""))
    sent: Mapping[str, SentDeal] = field(default_factory=dict)
    is_done: bool = False

    async def run(self) -> None:
        """Send all that is due.

        Raises:
            RemoteError, RunStopped: The rest is left to the next run.
        """
        store = self.context.services.store
        self.account = await store.state(DealAccount) or self.account
        upload = await store.state(DealUpload) or DealUpload()
        self.sent = {deal.order_id: deal for deal in upload.sent}
        sender = None
        if (lease := self.context.sales_lease) is not None:
            sender = self._sender(lease)
        batches = self._due()
        async with aclosing(batches):
            async for orders in batches:
                await self._send(orders, sender)
        await self._relink(sender)

    def _sender(self, lease: LeaseKeeper) -> DealSender:
        self.session = DealSession(
            context=self.context,
            deals=self.call_tracking.deals,
            lease=lease,
            account=self.account,
            sent=dict(self.sent),
            unsure=set(self.sent),
        )
        self.sent = self.session.sent
        return DealSender(session=self.session, contacts=DealContacts(session=self.session), report=self.report)

    async def _due(self) -> AsyncGenerator[list[Order]]:
        """Read the orders whose deals are due, in batches."""
        store, only = self.context.services.store, self.context.request.phone
        if only is None:
            pages = pages_of_time(store.orders_due, at=_due_at, key=lambda order: order.order_id, until=self.now)
            async with aclosing(pages):
                async for orders in pages:
                    yield orders
            return
        orders = [order for order in await store.orders_of_phones([only]) if order.deal_due or order.deal_refusal]
        for batch in _batches(sorted(orders, key=lambda order: (order.ordered_at, order.order_id))):
            yield batch

    async def _relink(self, sender: DealSender | None) -> None:
        """Send the deals again that name a communication from which the phone's sale has moved."""
        settings, store = self.context.services.settings, self.context.services.store
        if settings.comagic_deals_link != _BY_COMMUNICATION or self.context.request.phone is not None:
            return
        mark = since = self.account.linked_until or self.now
        pages = pages_of_time(
            store.events_between,
            at=_at,
            key=lambda event: (event.phone, event.run_id),
            since=since,
            until=self.now,
        )
        async with aclosing(pages):
            async for events in pages:
                orders = await store.orders_of_phones({event.phone for event in events})
                for batch in _batches([order for order in orders if order.deal is not None]):
                    await self._send(batch, sender)
                mark = events[-1].at + _MICROSECOND
        if self.session is not None and self.session.account.stages and mark != self.account.linked_until:
            await self.session.save_account(replace(self.session.account, linked_until=mark))

    async def _send(self, orders: list[Order], sender: DealSender | None) -> None:
        """Send those deals of a batch that differ."""
        if self.context.deadline.must_stop():
            raise RunStopped("The time of this run was over before all deals were sent", retry_after=60)
        await self.context.progress.report(Phase.UPLOADING, self.report.uploaded)
        items, unchanged = await self._items(orders)
        self.report.unchanged += len(unchanged)
        if sender is None:
            self.report.uploaded += len(items)
            self.report.revenue_kopecks += sum(item.deal.revenue_kopecks for item in items)
            return
        if settled := [order for order in unchanged if order.deal_due or order.deal_refusal]:
            await sender.session.settle([replace(order, deal_due=None, deal_refusal=None) for order in settled])
        if not items:
            return
        await sender.session.ensure_funnel()
        await sender.contacts.ensure(items)
        refused = sender.contacts.refused
        for item in items:
            if item.deal.client_id in refused:
                await sender.refuse(item, refused[item.deal.client_id])
        if ready := [item for item in items if item.deal.client_id not in refused]:
            await sender.send(ready)

    async def _items(self, orders: list[Order]) -> tuple[list[DealItem], list[Order]]:
        """Return the deals to send, and the orders whose deals CoMagic has as they are."""
        services = self.context.services
        store, zone, now = services.store, services.settings.time_zone, services.clock.now()
        clients = await store.clients({order.client_id for order in orders})
        phones = {}
        if services.settings.comagic_deals_link == _BY_COMMUNICATION:
            phones = await store.phones({order.phone for order in orders if order.phone})
        items, unchanged = [], []
        for order in orders:
            sent = self.sent.get(order.order_id)
            base = sent or order.deal
            deal = deal_of(
                order,
                base,
                phones=contact_phones(clients.get(order.client_id)) or ((order.phone,) if order.phone else ()),
                communication=_communication(phones.get(order.phone or "")),
                zone=zone,
                now=now,
            )
            if sent is None and deal.says_the_same(order.deal):
                unchanged.append(order)
            else:
                items.append(DealItem(order=order, deal=deal, base=base))
        return items, unchanged

    def note_stop(self, journal: Journal, exc: RemoteError | RunStopped) -> None:
        """Say why the rest is left to the next run, unless that is for want of points or time."""
        log.warning("deals_stopped", extra={"reason": str(exc)})
        if isinstance(exc, AccessDenied) and exc.barrier is Barrier.COMPONENT:
            self.report.is_denied = True
            journal.warnings.append(f"{exc.system}: no deals were sent, because the account has none: {exc}")
        elif isinstance(exc, RemoteError) and not isinstance(exc, QuotaSpent):
            journal.warnings.append(f"{exc.system}: deals are left to the next run: {exc}")

    async def left_over(self) -> int:
        """Count the deals that are still due, up to a batch, without those that this run has seen refused."""
        store, only = self.context.services.store, self.context.request.phone
        if only is None:
            orders = await store.orders_due(LONG_AGO, self.now, BATCH)
        else:
            orders = [order for order in await store.orders_of_phones([only]) if order.deal_due]
        return sum(order.deal_refusal is None or order.deal_refusal.at < self.now for order in orders)


def _communication(phone: PhoneRecord | None) -> CommunicationKey | None:
    """Return the communication that bears the sale of a phone."""
    return phone.sale.key if phone is not None and phone.sale is not None and phone.sale.amount_kopecks > 0 else None


def _due_at(order: Order) -> datetime:
    return order.deal_due or LONG_AGO


def _at(event: SaleEvent) -> datetime:
    return event.at


def _batches(orders: Sequence[Order]) -> Iterator[list[Order]]:
    for start in range(0, len(orders), BATCH):
        yield list(orders[start : start + BATCH])


async def pages_of_time(
    read: Callable[[datetime, datetime, int], Awaitable[list[T]]],
    *,
    at: Callable[[T], datetime],
    key: Callable[[T], Hashable],
    until: datetime,
    since: datetime = LONG_AGO,
) -> AsyncGenerator[list[T]]:
    """Read everything in the order of its time, each once, though what was read may disappear meanwhile.

    Args:
        read: Returns the earliest between two moments, at most so many.
        at: The time of one.
        key: What tells it from others of the same time.
        until, since: The last moment, and the first.
    """
    seen: set[Hashable] = set()
    limit = BATCH
    while True:
        page = await read(since, until, limit)
        fresh = [each for each in page if key(each) not in seen]
        is_last = len(page) < limit
        if fresh:
            since, limit = at(page[-1]), BATCH
            seen.update(map(key, fresh))
            for start in range(0, len(fresh), BATCH):
                yield fresh[start : start + BATCH]
        else:
            limit *= 2  # more of one moment than a page holds
        if is_last:
            return
