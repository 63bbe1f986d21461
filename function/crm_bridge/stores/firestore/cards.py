"""Callers' cards on Firestore."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any

from crm_bridge.domain.card import Card
from crm_bridge.stores.documents import Document, from_document, to_document
from crm_bridge.stores.firestore.connection import FirestoreConnection
from crm_bridge.stores.firestore.encoding import decode, write
from crm_bridge.stores.firestore.failures import reporting_failures
from crm_bridge.stores.firestore.queries import retrying
from crm_bridge.stores.polling import wait_for_card

CARDS = "cards"

_PATIENCE = 5.0
"""Seconds. A caller is on the line: the library's own minute would be no answer."""

_RETRY = retrying(_PATIENCE)


class FirestoreCardStore:
    """The port `CardStore` in Firestore; a TTL policy on `expires_at` deletes, late, what has expired."""

    def __init__(self, connection: FirestoreConnection) -> None:
        self.connection = connection

    @reporting_failures
    async def put(self, card: Card) -> None:
        await self._write(card.card_id, to_document(card))

    @reporting_failures
    async def get(self, card_id: str, *, now: datetime) -> Card | None:
        async with asyncio.timeout(_PATIENCE):
            found = await self._get(self.connection.name_of(CARDS, card_id))
        card = from_document(decode(found[0].fields), Card) if found else None
        return card if card is not None and card.expires_at > now else None

    @reporting_failures
    async def delete(self, card_id: str) -> None:
        await self._write(card_id, None)

    async def wait(self, card_id: str, *, now: Callable[[], datetime], seconds: float) -> Card | None:
        return await wait_for_card(lambda moment: self.get(card_id, now=moment), now=now, seconds=seconds)

    async def _write(self, card_id: str, document: Document | None) -> None:
        message = write(self.connection.name_of(CARDS, card_id), document)
        async with asyncio.timeout(_PATIENCE):  # the retry alone ends when its last attempt does
            await self.connection.commit([message], retry=_RETRY, timeout=_PATIENCE)

    @_RETRY
    async def _get(self, name: str) -> list[Any]:
        return await self.connection.get([name], retry=None, timeout=_PATIENCE)
