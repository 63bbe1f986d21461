"""Hand a caller's card from the IVR that posts it to the panel that asks for it."""

from __future__ import annotations

from datetime import timedelta

from crm_bridge.domain.card import Card, CardForm
from crm_bridge.services import ExchangeServices


async def post_card(card_id: str, form: CardForm, services: ExchangeServices) -> Card:
    """Save a card, replacing an older one of its id; its time starts now."""
    now = services.clock.now()
    settings = services.settings
    card = Card(
        card_id=card_id,
        body=form.body(card_id, posted_at=now.astimezone(settings.time_zone)),
        posted_at=now,
        expires_at=now + settings.exchange_ttl,
    )
    await services.cards.put(card)
    return card


async def get_card(card_id: str, services: ExchangeServices, *, wait: timedelta) -> Card | None:
    """Return the card, or None when there is none after waiting for it as long as `wait`. Changes nothing."""
    if wait:
        return await services.cards.wait(card_id, now=services.clock.now, seconds=wait.total_seconds())
    return await services.cards.get(card_id, now=services.clock.now())


async def delete_card(card_id: str, services: ExchangeServices) -> None:
    """Delete the card, if there is one."""
    await services.cards.delete(card_id)


async def check_database(services: ExchangeServices) -> None:
    """Make sure that cards can be read.

    Raises:
        StoreUnavailable: They cannot.
    """
    await services.cards.get("check_health", now=services.clock.now())  # whether there is such a card or not
