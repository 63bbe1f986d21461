"""The rule: which deal of CoMagic an order of the CRM is, and when it has to be sent. Pure.

CoMagic's rules: docs/remote/comagic-deals.md#records. A deal is one order, at its net payments.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from crm_bridge.domain.aggregate import Client, Order
from crm_bridge.domain.communication import CommunicationKey
from crm_bridge.domain.deal import Base, Deal, DealStage, SentDeal

_SECOND = timedelta(seconds=1)
_ISSUED = frozenset({5, 6})
"""Statuses of an order: docs/remote/agbis.md#statuses."""

_WAY = (DealStage.ACCEPTED, DealStage.PAID, DealStage.ISSUED)


def contact_phones(client: Client | None) -> tuple[str, ...]:
    """Return all phones of a client, E.164 digits, its mobile first."""
    if client is None:
        return ()
    return (*((client.phone,) if client.phone else ()), *client.other_phones)


def with_deals(
    orders: Mapping[str, Order],
    stored: Mapping[str, Order],
    *,
    renumbered: Collection[str],
    deals_on: bool,
    now: datetime,
) -> dict[str, Order]:
    """Return orders with what is stored of their deals: see `with_deal`.

    The deals of clients in `renumbered` are due too, because a deal names all phones of its client.
    """
    found = {key: with_deal(order, stored.get(key), deals_on=deals_on, now=now) for key, order in orders.items()}
    for key, order in found.items():
        if order.client_id in renumbered and (order.deal is not None or order.deal_due is not None):
            found[key] = replace(order, deal_due=min(order.ordered_at, now))
    return found


def with_deal(order: Order, stored: Order | None, *, deals_on: bool, now: datetime) -> Order:
    """Return a version of an order with what is stored of its deal, and with `deal_due` when it has to be sent.

    An order that was stored without its number, by an older version, is no deal until it is read again.

    Args:
        order: The newest version.
        stored: What the database holds of the order.
        deals_on: COMAGIC_DEALS. While it is off, only orders that are deals already become due.
        now: Aware; nothing is due later.
    """
    if stored is not None:
        order = replace(
            order,
            first_changed_at=min(stored.first_changed_at or stored.changed_at, order.changed_at),
            deal=stored.deal,
            deal_due=stored.deal_due,
            deal_refusal=stored.deal_refusal,
        )
    else:
        order = replace(order, first_changed_at=order.changed_at)
    is_deal = order.deal is not None or order.deal_due is not None or order.deal_refusal is not None
    if not order.number or not (deals_on or is_deal):
        return order
    if not is_deal or not _reads_the_same(order, stored):
        return replace(order, deal_due=min(order.ordered_at, now))
    return order


def _reads_the_same(order: Order, stored: Order | None) -> bool:
    if stored is None:
        return False
    return replace(order, changed_at=stored.changed_at, first_changed_at=stored.first_changed_at) == stored


def deal_of(
    order: Order,
    base: Base | None,
    *,
    phones: tuple[str, ...],
    communication: CommunicationKey | None,
    zone: ZoneInfo,
    now: datetime,
) -> Deal:
    """Return the deal of an order as it is to be sent.

    Args:
        order: The newest version.
        base: What CoMagic has of the deal, or may have; None for a deal that is new for sure.
        phones: All of its client.
        communication: What to name instead of a contact's phones; None to leave the link to CoMagic.
        zone: Of the local days of the CRM.
        now: Aware.
    """
    created_at = _created_at(order, zone, now) if base is None else base.created_at
    stage = _next_stage(reached_stage(order), base)
    if base is not None and stage is base.stage:
        stage_at = base.stage_at
    else:
        earliest = created_at if base is None else max(created_at, base.stage_at)
        stage_at = max(earliest, _not_after(_reached_at(order, stage, created_at), now))
    modified_at = now.replace(microsecond=0)
    if base is not None:
        modified_at = max(modified_at, base.modified_at + _SECOND)
    return Deal(
        number=order.number,
        created_at=created_at,
        stage=stage,
        stage_at=stage_at,
        modified_at=max(modified_at, stage_at),
        revenue_kopecks=order.net_kopecks,
        comment=", ".join(dict.fromkeys(order.services)),
        client_id=order.client_id,
        phones=phones,
        communication_type=communication.type if communication else None,
        communication_id=communication.id if communication else None,
    )


def reached_stage(order: Order) -> DealStage:
    """Return the stage of an order by itself, whatever was sent of it before.

    Only an order that keeps nothing has failed: the revenue of the others is the net of the CRM, to the kopeck.
    """
    net, was_paid = order.net_kopecks, order.last_paid_at is not None
    if net == 0 and (order.is_cancelled or was_paid):
        return DealStage.CANCELLED
    owes = order.price_kopecks is not None and order.price_kopecks > net
    if order.status in _ISSUED and not owes:
        return DealStage.ISSUED
    return DealStage.PAID if was_paid else DealStage.ACCEPTED


def goes_back_to_work(deal: Deal, base: Base | None) -> bool:
    """Say whether a deal leaves `failed` for a stage in work, which some accounts may refuse."""
    return base is not None and base.stage is DealStage.CANCELLED and not deal.stage.is_closed


def sent(order_id: str, deal: Deal) -> SentDeal:
    """Return what to remember of a deal before it is sent."""
    return SentDeal(
        order_id=order_id,
        created_at=deal.created_at,
        stage=deal.stage,
        stage_at=deal.stage_at,
        modified_at=deal.modified_at,
        phones=deal.phones,
        communication_id=deal.communication_id,
    )


def _next_stage(reached: DealStage, base: Base | None) -> DealStage:
    """Return the stage to send: CoMagic's never goes back, though statuses of the CRM do (4 to 3, 5 to 3)."""
    if base is None or DealStage.CANCELLED in {reached, base.stage}:
        return reached
    return max(reached, base.stage, key=_WAY.index)


def _not_after(moment: datetime, now: datetime) -> datetime:
    """Return a moment; one from the future is now, to the minute before: our clock may be ahead of CoMagic's."""
    return moment.replace(microsecond=0) if moment <= now else now.replace(second=0, microsecond=0)


def _created_at(order: Order, zone: ZoneInfo, now: datetime) -> datetime:
    """Return the acceptance of an order.

    CoMagic links the communications of the 30 days before it, so midnight of a bare date would leave out the call of
    that morning: the order's first known change or payment of that day counts instead, else the day's end.
    """
    paid = [payment.paid_at for payment in order.payments if payment.in_kopecks > 0]
    accepted = order.ordered_at
    if order.is_dated_by_day:
        day = accepted.astimezone(zone).date()
        known = [
            moment for moment in (order.first_changed_at, *paid) if moment and moment.astimezone(zone).date() == day
        ]
        accepted = min(known, default=datetime.combine(day, time(23, 59, 59), zone))
    return _not_after(min([accepted, *paid]), now)


def _reached_at(order: Order, stage: DealStage, created_at: datetime) -> datetime:
    moments: list[datetime | None]
    match stage:
        case DealStage.ACCEPTED:
            moments = [created_at]
        case DealStage.PAID:
            moments = [order.last_paid_at]
        case DealStage.ISSUED:
            moments = [order.issued_at]
        case DealStage.CANCELLED:
            moments = [order.changed_at, *(payment.paid_at for payment in order.payments)]
    return max((moment for moment in moments if moment is not None), default=order.changed_at)
