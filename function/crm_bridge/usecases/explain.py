"""Explain one phone: how its sale stands and why. Reads only, and costs at most three points of CoMagic's quota."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from crm_bridge.domain.attribution import AttributionRule
from crm_bridge.domain.candidates import explain_candidates
from crm_bridge.domain.explanation import Explanation, notes_of, verdict_of
from crm_bridge.domain.state import KnownSites, SaleTag, Watermark
from crm_bridge.errors import RemoteError, RunStopped
from crm_bridge.services import SyncServices
from crm_bridge.usecases.account_sites import is_of_today
from crm_bridge.usecases.look_up_phone import REACH, PhoneLookUp, numbers_of
from crm_bridge.usecases.run_context import Deadline

PAGE_LIMIT = timedelta(seconds=25)
"""How long a person waits for a page."""


async def explain(phone: str, services: SyncServices) -> Explanation:
    """Explain a phone as the next run would see it. Changes nothing and needs no lease.

    When CoMagic cannot be asked, the explanation holds what the database knows.

    Args:
        phone: E.164 digits.
        services: What a run works with, too.
    """
    store, settings, now = services.store, services.settings, services.clock.now()
    record = (await store.phones([phone])).get(phone)
    orders = sorted(
        await store.orders_of_phones([phone]), key=lambda order: (order.ordered_at, order.order_id), reverse=True
    )
    events = await store.events(phone)
    watermark, lease = await store.state(Watermark), await store.lease()
    tag, sites = await store.state(SaleTag), await store.state(KnownSites)

    window_since = (now - settings.comagic_lookback).replace(microsecond=0)
    call_tracking = services.call_tracking(Deadline(services.clock, PAGE_LIMIT))
    look_up = PhoneLookUp(
        call_tracking=call_tracking,
        store=store,
        sale_tag_id=settings.comagic_sale_tag_id or (tag.tag_id if tag else 0),
        phone=phone,
        numbers=await numbers_of(record, store),
        record=record,
        sources=settings.comagic_sources,
        window_since=window_since,
        now=now,
        read_since=(now - REACH).replace(microsecond=0),
        rule=AttributionRule(policy=settings.attribution),
        sites=sites if sites is not None and is_of_today(sites, now, settings.time_zone) else None,
        deals_of=[order.order_id for order in orders if order.deal is not None] if settings.comagic_deals else [],
    )
    failure = None
    try:
        await look_up.read()
    except (RemoteError, RunStopped) as exc:
        failure = str(exc)
        look_up.decision = None
    decision = look_up.decision
    candidates = explain_candidates(
        look_up.details,
        record,
        decision,
        sources=settings.comagic_sources,
        window_since=window_since,
        sites={site.site_id: site for site in look_up.sites.sites} if look_up.sites else {},
        rule=look_up.rule,
        numbers={phone, *look_up.numbers.usable},
        owners=look_up.owners,
    )
    busy_run = lease.run_id if lease is not None and lease.until > now else None
    return Explanation(
        phone=phone,
        explained_at=now,
        record=record,
        orders=orders,
        events=events,
        candidates=candidates,
        decision=decision,
        verdict=verdict_of(record, orders, candidates, decision),
        notes=notes_of(
            record,
            decision,
            candidates,
            events,
            now=now,
            run_in_progress=busy_run is not None,
            all_read=look_up.all_read,
            reassigned=look_up.reassigned,
        ),
        read_since=look_up.read_since,
        window_since=window_since,
        refreshed_at=watermark.as_of(now).refreshed_at if watermark else None,
        failure=failure or look_up.refusal,
        warnings=look_up.warnings,
        requests=Counter(call_tracking.requests),
        quota=call_tracking.quota.limits,
        busy_run=busy_run,
        deals=look_up.deals,
    )
