"""Bring the phone aggregates up to date with the CRM.

Every order counts once, under one phone, at its newest version, however often it is read: a window that is read again
changes nothing. A window lands before the watermark moves past it, and a phone lands together with the orders that
changed it, so a run may be cut anywhere.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import timedelta

from msgspec import Struct, field
from msgspec.structs import replace

from crm_bridge.domain.aggregate import Aggregate, Client, Order, aggregate, newer
from crm_bridge.domain.journal import RefreshReport
from crm_bridge.domain.phone import PhoneRecord
from crm_bridge.domain.refresh_window import Window, advance, since_last
from crm_bridge.domain.run import Phase
from crm_bridge.domain.state import Watermark
from crm_bridge.errors import RunStopped
from crm_bridge.ports import Changes, Crm
from crm_bridge.services import SyncServices
from crm_bridge.usecases.lease import Guard
from crm_bridge.usecases.progress import ProgressReporter

log = logging.getLogger(__name__)

ASK_AGAIN = timedelta(days=1)
"""How long "this client has no phone" is believed."""

_SAVE_LOOKED_UP = 50
"""Clients looked up are saved in such lots, so that a cut run does not ask for them again."""


async def refresh_aggregates(
    services: SyncServices, crm: Crm, guard: Guard, progress: ProgressReporter, *, backfill: Window | None = None
) -> RefreshReport:
    """Read the orders changed since the last refresh, or those of a backfill's window, and add them up.

    Raises:
        RemoteError: The CRM failed; windows that landed before stay, and the watermark stands behind them.
        LeaseLost: Another run has taken over.
    """
    store, clock, lookback = services.store, services.clock, services.settings.crm_lookback
    watermark = await store.state(Watermark)
    now = clock.now()
    whole = backfill or since_last(watermark, now=now, lookback=lookback)
    refresh = _Refresh(services, crm, guard, progress)
    reached = whole.since
    windows = list(whole.by_days())
    for number, window in enumerate(windows):
        if guard.must_stop():
            break
        await progress.report(Phase.REFRESHING, number, len(windows))
        try:
            orders = await guard.unless_stopped(crm.orders_changed(window.since, window.until))
            clients = await guard.unless_stopped(crm.clients_changed(window.since, window.until))
            landing = await refresh.landing(orders, clients)
        except RunStopped:  # this window is read again by the next run
            break
        if moved := advance(watermark, window, now=now, lookback=lookback):
            watermark = moved
            landing.append(Changes(state=[moved]))
        await refresh.write(landing)
        reached = window.until
        log.info("window landed", extra={"since": str(window.since), "until": str(reached), "orders": len(orders)})
    complete = reached >= whole.until
    if complete:
        done = Watermark(read_until=watermark.read_until if watermark else None, refreshed_at=clock.now())
        await refresh.write([Changes(state=[done])])
    return RefreshReport(
        orders_read=len(refresh.orders),
        phones_changed=len(refresh.phones),
        orders_without_phone=len(refresh.without_phone),
        since=whole.since,
        until=reached,
        complete=complete,
    )


class _Refresh(Struct):
    """One refresh: its tools, and what it has met so far, each once."""

    services: SyncServices
    crm: Crm
    guard: Guard
    progress: ProgressReporter
    orders: set[str] = field(default_factory=set)
    phones: set[str] = field(default_factory=set)
    without_phone: set[str] = field(default_factory=set)

    async def write(self, changes: Iterable[Changes]) -> None:
        await self.guard.check()
        await self.services.store.write(changes, run_id=self.guard.run_id)

    async def landing(self, read: list[Order], changed: list[Client]) -> list[Changes]:
        """Make the changes of one window out of what was read, in the order in which they must land."""
        store = self.services.store
        stored = await store.orders({order.order_id for order in read})
        latest = dict(stored)
        for order in read:
            if newer(latest.get(order.order_id), order):
                latest[order.order_id] = order

        told = {client.client_id: client for client in changed}
        known = await store.clients({*told, *(order.client_id for order in latest.values())})
        news = {key: client for key, client in told.items() if key not in known or known[key].phone != client.phone}
        unknown = {order.client_id for order in latest.values() if order.client_id not in told}
        looked_up = await self._look_up(unknown, known)
        news |= looked_up
        clients = {**known, **news}
        moved = [key for key, client in news.items() if key in known and known[key].phone != client.phone]

        before = {**{order.order_id: order for order in await store.orders_of_clients(moved)}, **stored}
        now_are = {
            key: replace(order, phone=clients[order.client_id].phone) for key, order in {**before, **latest}.items()
        }
        self.orders.update(latest)
        for order in now_are.values():
            (self.without_phone.discard if order.phone else self.without_phone.add)(order.order_id)
        different = [order for key, order in now_are.items() if before.get(key) != order]

        changes = await self._regroup(before, different)
        # Clients come after the orders that their new phones move: cut in between, the move is found once more.
        # Those looked up for the first time have been saved already.
        unsaved = [client for key, client in news.items() if key in known or key not in looked_up]
        changes.extend(Changes(clients=[client]) for client in unsaved)
        return changes

    async def _look_up(self, wanted: Collection[str], known: Mapping[str, Client]) -> dict[str, Client]:
        """Ask the CRM for the clients nobody has told us of, each once and for good.

        A client without a phone is asked for again after a day; whoever gets one is told by the bulk read anyway.
        """
        now = self.services.clock.now()
        found: dict[str, Client] = {}
        unsaved: list[Changes] = []
        for number, client_id in enumerate(sorted(wanted)):
            await self.progress.report(Phase.LOOKING_UP, number, len(wanted))
            client = known.get(client_id)
            if client is not None and (client.phone is not None or now - client.seen_at < ASK_AGAIN):
                continue
            told = await self.guard.unless_stopped(self.crm.client(client_id))
            found[client_id] = told or Client(client_id=client_id, phone=None, seen_at=now)
            if client is None:  # nothing is counted under it yet, so it may land ahead of its orders
                unsaved.append(Changes(clients=[found[client_id]]))
            if len(unsaved) >= _SAVE_LOOKED_UP:
                await self.write(unsaved)
                unsaved = []
        if unsaved:
            await self.write(unsaved)
        return found

    async def _regroup(self, before: Mapping[str, Order], different: list[Order]) -> list[Changes]:
        """Add up the phones that these orders leave or join; what depends on each other lands together."""
        store = self.services.store
        touched = {phone for order in different for phone in _phones_of(before, order)}
        orders: dict[str, dict[str, Order]] = {phone: {} for phone in touched}
        for order in await store.orders_of_phones(touched):
            if order.phone is not None:
                orders[order.phone][order.order_id] = order
        for order in different:
            for phone in _phones_of(before, order):
                orders[phone].pop(order.order_id, None)
            if order.phone is not None:
                orders[order.phone][order.order_id] = order
        stored = await store.phones(touched)

        changes = []
        for phones, members in _groups(before, different):
            records = [_recounted(stored.get(phone), aggregate(phone, orders[phone].values())) for phone in phones]
            records = [record for record in records if record != stored.get(record.phone)]
            self.phones.update(record.phone for record in records)
            changes.append(
                Changes(
                    orders=members,
                    phones=[record for record in records if not record.is_idle],
                    deleted_phones=[record.phone for record in records if record.is_idle and record.phone in stored],
                )
            )
        return changes


def _recounted(stored: PhoneRecord | None, total: Aggregate) -> PhoneRecord:
    """Give a phone its new sum; what we know of its sale in CoMagic stays."""
    return PhoneRecord(
        phone=total.phone,
        amount_kopecks=total.amount_kopecks,
        paid_at=total.paid_at,
        comment=total.comment,
        order_count=total.order_count,
        sale=stored.sale if stored else None,
        intent=stored.intent if stored else None,
    )


def _phones_of(before: Mapping[str, Order], order: Order) -> set[str]:
    """The phones an order leaves and joins."""
    left = before.get(order.order_id)
    return {phone for phone in (left.phone if left else None, order.phone) if phone is not None}


def _groups(before: Mapping[str, Order], orders: Iterable[Order]) -> Iterator[tuple[set[str], list[Order]]]:
    """Cut orders into groups that share no phone: an order that moves ties its two phones together."""
    groups: dict[str, tuple[set[str], list[Order]]] = {}
    for order in orders:
        phones = _phones_of(before, order)
        if not phones:
            yield set(), [order]
            continue
        merged: tuple[set[str], list[Order]] = (set(phones), [order])
        for group in {id(groups[phone]): groups[phone] for phone in phones if phone in groups}.values():
            merged[0].update(group[0])
            merged[1].extend(group[1])
        for phone in merged[0]:
            groups[phone] = merged
    yield from {id(group): group for group in groups.values()}.values()
