"""Bring the phone aggregates up to date with the CRM.

Every order counts once, under one phone, at its newest version, however often it is read: a window that is read again
changes nothing. A window is stored before the watermark moves past it, and a phone is stored together with the orders
that changed it, so a run may be killed at any moment.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime

from msgspec import Struct, field

from crm_bridge.domain.aggregate import (
    ChangedOrders,
    Client,
    Order,
    UnreadableOrder,
    independent_groups,
    newest_versions,
    phones_of,
    recount,
)
from crm_bridge.domain.crm_money import replaced
from crm_bridge.domain.deal_of_order import with_deals
from crm_bridge.domain.falls import falls_by_phone
from crm_bridge.domain.journal import RefreshReport
from crm_bridge.domain.payment_check import net_by_day
from crm_bridge.domain.refresh_window import Window, advanced_watermark, ordinary_window
from crm_bridge.domain.run import Phase
from crm_bridge.domain.state import CrmMoney, NumbersRead, Watermark
from crm_bridge.errors import RunStopped
from crm_bridge.ports import Changes, Crm
from crm_bridge.usecases.check_payments import check_payments, days_to_check
from crm_bridge.usecases.crm_money import read_crm_money
from crm_bridge.usecases.lease import LeaseKeeper
from crm_bridge.usecases.look_up_clients import look_up_clients
from crm_bridge.usecases.read_numbers import read_numbers_again
from crm_bridge.usecases.run_context import RunContext
from crm_bridge.usecases.window_contents import WindowClients, WindowOrders, assign_phones

log = logging.getLogger(__name__)

_LONG_AGO = datetime.min.replace(tzinfo=UTC)

_NAMED = 50
"""Unreadable orders that the log names; `/check_setup` names all."""


async def refresh_aggregates(
    context: RunContext, lease: LeaseKeeper, crm: Crm, *, backfill: Window | None = None
) -> RefreshReport:
    """Read the orders changed since the last refresh, or those of a backfill's window, and add them up.

    Raises:
        RemoteError: The CRM failed; windows stored before it stay, and the watermark stands behind them.
        LeaseLost: Another run has taken over.
    """
    services, deadline = context.services, context.deadline
    store, clock, lookback = services.store, services.clock, services.settings.crm_lookback
    now = clock.now()
    stored_mark = await store.state(Watermark)
    watermark = stored_mark.as_of(now) if stored_mark else None
    if watermark is not None and watermark != stored_mark:  # written at once: the next run may come days later
        await lease.write([Changes(state=[watermark])])
    whole = backfill or ordinary_window(watermark, now=now, lookback=lookback)
    aside = {order.order_id: order for order in await store.unreadable_orders()}
    days = [] if backfill else days_to_check(context)
    refresh = _Refresh(context, lease, crm, aside, days, (await read_crm_money(context)).money)
    if stored_mark is None:  # a new database; noted at once, or a run after a killed one would read all clients
        await lease.write([Changes(state=[NumbersRead(at=now)])])
    knows_numbers = stored_mark is None or await store.state(NumbersRead) is not None
    reached = whole.since
    windows = deque(whole.by_days())
    count = len(windows)
    while windows and not deadline.must_stop():
        window = windows.popleft()
        await context.progress.report(Phase.REFRESHING, count - len(windows) - 1, count)
        try:
            orders = await deadline.unless_stopped(crm.orders_changed(window.since, window.until))
            if orders.until is not None:  # a first part: stored before the rest is read
                windows.appendleft(Window(since=orders.until, until=window.until))
                window = Window(since=window.since, until=orders.until)
            clients = await deadline.unless_stopped(crm.clients_changed(window.since, window.until))
            changes = [*await refresh.window_changes(orders.orders, clients), *refresh.put_aside(orders)]
        except RunStopped:  # the next run reads this window again
            break
        if moved := advanced_watermark(watermark, window, now=now, lookback=lookback):
            watermark = moved
            changes.append(Changes(state=[moved]))
        await lease.write(changes)
        reached = window.until
        extra = {"since": str(window.since), "until": str(reached), "orders": len(orders.orders)}
        log.info("refresh_window_stored", extra=extra)
    complete = reached >= whole.until
    payments_checked = 0
    if complete and backfill is None:
        check = await check_payments(
            context, crm, days=days, met=refresh.money, unreadable=refresh.unreadable, aside=aside
        )
        payments_checked = check.payments
        complete = check.complete and await refresh.store_read_again(check.orders)
    if complete and backfill is None:
        done = Watermark(read_until=watermark.read_until if watermark else None, refreshed_at=clock.now())
        knows_numbers = knows_numbers or await read_numbers_again(context, crm, refresh.store_numbers)
        marks = [NumbersRead(at=now)] if knows_numbers else []
        await lease.write([Changes(state=[done, *marks])])
    if refresh.orders_unreadable:
        log.warning(
            "rows_unreadable", extra={"count": refresh.orders_unreadable, "orders": sorted(refresh.unreadable)[:_NAMED]}
        )
    return RefreshReport(
        orders_read=len(refresh.orders),
        phones_changed=len(refresh.phones),
        orders_without_phone=len(refresh.without_phone),
        orders_unreadable=refresh.orders_unreadable,
        payments_checked=payments_checked,
        since=whole.since,
        until=reached,
        complete=complete,
    )


class _Refresh(Struct):
    """One refresh: its tools, and the orders and phones it has met so far, each once.

    Attributes:
        aside: All orders that are put aside, by id.
        days: The local days whose payments will be checked.
        totals: What all orders come to, those that are about to be stored included.
        money: The money on those days of the orders met.
        unreadable: Those of them that this refresh has met.
        nameless: Rows without an id, which can only be counted.
    """

    context: RunContext
    lease: LeaseKeeper
    crm: Crm
    aside: dict[str, UnreadableOrder]
    days: Collection[date]
    totals: CrmMoney
    orders: set[str] = field(default_factory=set)
    phones: set[str] = field(default_factory=set)
    without_phone: set[str] = field(default_factory=set)
    money: dict[str, dict[date, int]] = field(default_factory=dict)
    unreadable: set[str] = field(default_factory=set)
    nameless: int = 0

    @property
    def orders_unreadable(self) -> int:
        return len(self.unreadable) + self.nameless

    async def window_changes(self, read: list[Order], changed_clients: list[Client]) -> list[Changes]:
        """Turn what was read of one window into changes, in the order in which they must be stored.

        Three steps: find the newest version of each order, find the phone of each order's client, and recount the
        phones that orders leave or join.
        """
        store = self.context.services.store
        stored = await store.orders({order.order_id for order in read})
        newest = newest_versions(read, stored)
        clients = await self._clients(newest.values(), changed_clients)
        deals_on, now = self.context.services.settings.comagic_deals, self.context.services.clock.now()
        of_clients = await store.orders_of_clients(clients.renumbered if deals_on else clients.moved)
        moved = {order.order_id: order for order in of_clients}
        orders = WindowOrders(read=newest, stored={**moved, **stored})

        assigned = with_deals(
            assign_phones(orders, clients.all),
            orders.stored,
            renumbered=clients.renumbered,
            deals_on=deals_on,
            now=now,
        )
        self._count(orders, assigned)
        updated = [order for key, order in assigned.items() if orders.stored.get(key) != order]
        changes = await self._recount_phones(orders.stored, updated, clients)
        # Clients are stored after the orders that their new phones move: a run killed in between finds the move again.
        changes.extend(Changes(clients=[client]) for client in clients.unsaved)
        return changes

    async def store_read_again(self, orders: list[Order]) -> bool:
        """Store orders that were read by themselves; False when the run's time ended before."""
        read = ChangedOrders(orders=orders)
        try:
            changes = await self.window_changes(read.orders, [])
        except RunStopped:  # the next run finds them again
            return False
        await self.lease.write([*changes, *self.put_aside(read)])
        return True

    async def store_numbers(self, clients: Collection[Client]) -> None:
        """Store what was read again of clients that we hold."""
        stored = await self.context.services.store.clients({client.client_id for client in clients})
        changed = [
            client
            for client in clients
            if client.client_id in stored and not stored[client.client_id].same_numbers(client)
        ]
        if changed:
            await self.lease.write(await self.window_changes([], changed))

    def put_aside(self, read: ChangedOrders) -> list[Changes]:
        """Put the orders aside whose newest version cannot be read, and take those back whose newest version can.

        The changes are stored after the window's orders and before the watermark moves: a run killed in between reads
        the window again.
        """
        readable: dict[str, datetime] = {}
        for order in read.orders:
            readable[order.order_id] = max(order.changed_at, readable.get(order.order_id, order.changed_at))
        changes = []
        for row in read.unreadable:
            if not row.order_id:
                self.nameless += 1
                continue
            known = self.aside.get(row.order_id)
            newest = row if known is None or row.changed_at >= known.changed_at else known
            if newest.changed_at > readable.get(row.order_id, _LONG_AGO):
                self.unreadable.add(row.order_id)
                self.aside[row.order_id] = newest
                if newest != known:
                    changes.append(Changes(unreadable=[newest]))
        for order_id, changed_at in readable.items():
            if order_id in self.aside and changed_at >= self.aside[order_id].changed_at:
                del self.aside[order_id]
                self.unreadable.discard(order_id)
                changes.append(Changes(readable=[order_id]))
        return changes

    async def _clients(self, orders: Collection[Order], changed: list[Client]) -> WindowClients:
        """Find the client of every order: among the changed ones, in the database, else in the CRM."""
        reported = {client.client_id: client for client in changed}
        stored = await self.context.services.store.clients({*reported, *(order.client_id for order in orders)})
        unreported = {order.client_id for order in orders if order.client_id not in reported}
        looked_up = await look_up_clients(self.context, self.lease, self.crm, unreported, stored)
        updates = {
            key: client for key, client in reported.items() if key not in stored or not stored[key].same_numbers(client)
        } | looked_up
        renumbered = [each for key, each in updates.items() if key in stored and not stored[key].same_numbers(each)]
        return WindowClients(
            all={**stored, **updates},
            moved=[client.client_id for client in renumbered if stored[client.client_id].phone != client.phone],
            renumbered=[client.client_id for client in renumbered],
            recounted={client.phone for client in renumbered if client.phone is not None},
            # Those looked up for the first time have been saved already.
            unsaved=[client for key, client in updates.items() if key in stored or key not in looked_up],
        )

    def _count(self, orders: WindowOrders, assigned: Mapping[str, Order]) -> None:
        self.orders.update(orders.read)
        zone = self.context.services.settings.time_zone
        for order in assigned.values():
            if self.days:
                self.money[order.order_id] = net_by_day(order, self.days, zone)
            (self.without_phone.discard if order.phone else self.without_phone.add)(order.order_id)

    async def _recount_phones(
        self, stored_orders: Mapping[str, Order], updated: list[Order], clients: WindowClients
    ) -> list[Changes]:
        """Recount the phones that these orders leave or join, and those whose clients have other further numbers.

        What depends on each other is stored together.
        """
        store = self.context.services.store
        moved = {phone for order in updated for phone in phones_of(stored_orders, order)}
        touched = moved.union(clients.recounted)
        orders: dict[str, dict[str, Order]] = {phone: {} for phone in touched}
        for order in await store.orders_of_phones(touched):
            if order.phone is not None:
                orders[order.phone][order.order_id] = order
        for order in updated:
            for phone in phones_of(stored_orders, order):
                orders[phone].pop(order.order_id, None)
            if order.phone is not None:
                orders[order.phone][order.order_id] = order
        stored = await store.phones(touched)
        falls = falls_by_phone(stored_orders, updated)
        members_of = {order.client_id for members in orders.values() for order in members.values()}
        known = {**await store.clients(members_of - clients.all.keys()), **clients.all}

        changes = []
        alone = [({phone}, list[Order]()) for phone in clients.recounted - moved if phone in stored]
        for phones, members in (*independent_groups(stored_orders, updated), *alone):
            records = [
                recount(phone, orders[phone].values(), stored.get(phone), known, falls=falls.get(phone))
                for phone in phones
            ]
            records = [record for record in records if record != stored.get(record.phone)]
            self.phones.update(record.phone for record in records)
            if not members and not records:
                continue
            if members:
                self.totals = replaced(self.totals, stored_orders, members)
            changes.append(
                Changes(
                    orders=members,
                    phones=[record for record in records if not record.is_idle],
                    deleted_phones=[record.phone for record in records if record.is_idle and record.phone in stored],
                    state=[self.totals] if members else [],
                )
            )
        return changes
