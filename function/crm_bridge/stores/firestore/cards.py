"""Callers' cards on Firestore."""

from __future__ import annotations

from datetime import datetime

from google.cloud.firestore import AsyncClient, AsyncDocumentReference, DocumentSnapshot

from crm_bridge.domain.card import Card
from crm_bridge.stores.documents import document_id, from_document, to_document
from crm_bridge.stores.firestore.queries import close_client, plain, retrying
from crm_bridge.stores.polling import wait_for_card

_PATIENCE = 10.0
"""Seconds. A caller is on the line: the library's own minute would be no answer."""

_RETRY = retrying(_PATIENCE)


class FirestoreCardStore:
    """The port `CardStore` in Firestore; a TTL policy on `expires_at` deletes, late, what has expired."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def put(self, card: Card) -> None:
        await self._reference(card.card_id).set(to_document(card), retry=_RETRY, timeout=_PATIENCE)

    async def get(self, card_id: str, *, now: datetime) -> Card | None:
        found = await _read(self._reference(card_id))
        card = from_document(plain(found.to_dict()), Card) if found.exists else None
        return card if card is not None and card.expires_at > now else None

    async def wait(self, card_id: str, *, now: datetime, seconds: float) -> Card | None:
        return await wait_for_card(lambda moment: self.get(card_id, now=moment), now=now, seconds=seconds)

    async def close(self) -> None:
        """Close the client; for tests, because a function's worker just ends."""
        await close_client(self._client)

    def _reference(self, card_id: str) -> AsyncDocumentReference:
        return self._client.collection("cards").document(document_id(card_id))


@_RETRY
async def _read(reference: AsyncDocumentReference) -> DocumentSnapshot[AsyncDocumentReference]:
    return await reference.get(retry=None, timeout=_PATIENCE)
