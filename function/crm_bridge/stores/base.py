"""The port `SalesStore` on any database of documents, in terms of nine primitives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from crm_bridge.domain.aggregate import Client, Order, UnreadableOrder
from crm_bridge.domain.deal import DealContact
from crm_bridge.domain.phone import PhoneRecord
from crm_bridge.domain.run import LEASE_TTL, Lease, Run, RunStatus
from crm_bridge.domain.sale import SaleEvent
from crm_bridge.domain.state import State
from crm_bridge.stores import journal_parts
from crm_bridge.stores.documents import (
    Document,
    DocumentCollection,
    Write,
    commit_batches,
    delete,
    from_document,
    put,
    put_document,
    to_document,
)
from crm_bridge.stores.state_keys import STATE_KEYS

if TYPE_CHECKING:  # a store fits its port by shape and does not depend on it
    from crm_bridge.ports import Changes

S = TypeVar("S", bound=State)
T = TypeVar("T")

PHONES = DocumentCollection(name="phones", type=PhoneRecord, key=lambda phone: phone.phone)
CLIENTS = DocumentCollection(name="clients", type=Client, key=lambda client: client.client_id)
ORDERS = DocumentCollection(name="orders", type=Order, key=lambda order: order.order_id)
UNREADABLE = DocumentCollection(name="unreadable_orders", type=UnreadableOrder, key=lambda order: order.order_id)
SALES = DocumentCollection(name="sales", type=SaleEvent, key=lambda event: f"{event.phone}-{event.run_id}")
DEAL_CONTACTS = DocumentCollection(name="deal_contacts", type=DealContact, key=lambda contact: contact.client_id)
RUNS = "runs"
STATE = "state"

LEASE = "lease"

PAGE = 10_000
"""Phones of one page: so many are in memory as documents as well."""


ORDERS_PAGE = 2_000
"""Orders of one page; an order may have a hundred kilobytes."""


class JournalPart(Struct, frozen=True, kw_only=True):
    """A part of a run's journal, stored beside the run, so that one TTL policy covers both.

    It has no `started_at`, so it is never listed among the runs.
    """

    part: bytes
    expires_at: datetime


class DocumentSalesStore(ABC):
    """The port `SalesStore`; a subclass for each database implements the primitives at the end."""

    async def take_lease(self, lease: Lease, *, now: datetime) -> Lease | None:
        def may_take(current: Lease | None) -> bool:
            # The start, too: a button of the home page that is pressed twice gives two runs the same id.
            own = current is not None and (current.run_id, current.started_at) == (lease.run_id, lease.started_at)
            return current is None or own or current.until <= now

        taken, current = await self._compare_and_set_lease(lease, may_take)
        if taken or current is None:
            return None
        latest = now + LEASE_TTL
        if current.until <= latest:
            return current
        # The holder's clock ran ahead: left alone, the lease of a dead run would stand until our clock is there.
        shortened = replace(current, until=latest)
        done, _ = await self._compare_and_set_lease(shortened, lambda found: found == current)
        return shortened if done else await self.take_lease(lease, now=now)  # changed in between: decide again

    async def renew_lease(self, lease: Lease) -> bool:
        renewed, _ = await self._compare_and_set_lease(lease, lambda current: _is_held_by(current, lease.run_id))
        return renewed

    async def release_lease(self, run_id: str) -> None:
        await self._compare_and_set_lease(None, lambda current: _is_held_by(current, run_id))

    async def lease(self) -> Lease | None:
        found = await self._get(STATE, [LEASE])
        return from_document(found[LEASE], Lease) if found else None

    async def clients(self, client_ids: Collection[str]) -> dict[str, Client]:
        return await self._by_key(CLIENTS, client_ids)

    async def clients_with_numbers(self, numbers: Collection[str]) -> list[Client]:
        documents = [
            *await self._query_in(CLIENTS.name, "phone", numbers),
            *await self._query_in(CLIENTS.name, "other_phones", numbers, in_list=True),
        ]
        found = [from_document(document, Client) for document in documents]
        return list({client.client_id: client for client in found}.values())

    async def orders(self, order_ids: Collection[str]) -> dict[str, Order]:
        return await self._by_key(ORDERS, order_ids)

    async def orders_of_clients(self, client_ids: Collection[str]) -> list[Order]:
        return await self._by_field(ORDERS, "client_id", client_ids)

    async def orders_of_phones(self, phones: Collection[str]) -> list[Order]:
        return await self._by_field(ORDERS, "phone", phones)

    def all_orders(self) -> AsyncIterator[list[Order]]:
        return self._scan(ORDERS, at_once=ORDERS_PAGE)

    async def orders_due(self, since: datetime, until: datetime, limit: int) -> list[Order]:
        return await self._between(ORDERS, "deal_due", since, until, limit)

    async def deal_contacts(self, client_ids: Collection[str]) -> dict[str, DealContact]:
        return await self._by_key(DEAL_CONTACTS, client_ids)

    async def unreadable_orders(self) -> list[UnreadableOrder]:
        return [order async for page in self._scan(UNREADABLE, at_once=PAGE) for order in page]

    async def phones(self, phones: Collection[str]) -> dict[str, PhoneRecord]:
        return await self._by_key(PHONES, phones)

    async def phones_on_communications(self, communication_ids: Collection[int]) -> list[PhoneRecord]:
        found = [await self._by_field(PHONES, field, communication_ids) for field in ("sale.id", "intent.id")]
        return list({phone.phone: phone for phones in found for phone in phones}.values())

    def all_phones(self) -> AsyncIterator[list[PhoneRecord]]:
        return self._scan(PHONES, at_once=PAGE)

    async def has_phones(self) -> bool:
        return await self._has_any(PHONES.name)

    async def events(self, phone: str) -> list[SaleEvent]:
        events = await self._by_field(SALES, "phone", [phone])
        return sorted(events, key=lambda event: (event.at, event.run_id))

    async def events_between(self, since: datetime, until: datetime, limit: int) -> list[SaleEvent]:
        return await self._between(SALES, "at", since, until, limit)

    async def state(self, kind: type[S]) -> S | None:
        key = STATE_KEYS[kind]
        found = await self._get(STATE, [key])
        return from_document(found[key], kind) if found else None

    async def save_state(self, state: State) -> None:
        await self._commit([_put_state(state)], holder=None)

    async def write(self, changes: Iterable[Changes], *, run_id: str) -> None:
        for batch in commit_batches(_writes(change) for change in changes):
            await self._commit(batch, holder=run_id)

    async def save_run(self, run: Run) -> None:
        parts = [] if run.journal is None else await journal_parts.split(run.journal)
        for number, part in enumerate(parts):  # before the run, which holds their count
            document = to_document(JournalPart(part=part, expires_at=run.expires_at))
            await self._commit([put_document(RUNS, _part_key(run.run_id, number), document)], holder=None)
        document = {**to_document(replace(run, journal=None)), "parts": len(parts)}
        del document["journal"]
        await self._commit([put_document(RUNS, run.run_id, document)], holder=None)
        await self._delete_expired(RUNS, until=run.finished_at or run.started_at)

    async def run(self, run_id: str) -> Run | None:
        found = (await self._get(RUNS, [run_id])).get(run_id)
        if found is None or "started_at" not in found:  # the key may be that of a journal's part
            return None
        return await self._with_journal(found)

    async def run_of_tick(self, tick: str) -> Run | None:
        # Chosen here: Firestore would need a composite index, and a tick has only one or two runs.
        found = [run for run in await self._query_in(RUNS, "tick", [tick]) if run["status"] == RunStatus.SUCCEEDED]
        newest = max(found, key=lambda run: from_document(run, Run).started_at, default=None)
        return None if newest is None else await self._with_journal(newest)

    async def runs(self, limit: int) -> list[Run]:
        if limit <= 0:
            return []
        return [from_document(run, Run) for run in await self._latest(RUNS, "started_at", limit)]

    async def _with_journal(self, document: Document) -> Run:
        run = from_document(document, Run)
        keys = [_part_key(run.run_id, number) for number in range(document["parts"])]
        found = await self._get(RUNS, keys)
        if not keys or len(found) < len(keys):  # an expired run is deleted document by document
            return run
        parts = [from_document(found[key], JournalPart).part for key in keys]
        return replace(run, journal=await journal_parts.join(parts))

    async def _by_key(self, collection: DocumentCollection[T], keys: Collection[str]) -> dict[str, T]:
        found = await self._get(collection.name, keys)
        return {key: from_document(document, collection.type) for key, document in found.items()}

    async def _by_field(self, collection: DocumentCollection[T], field: str, values: Collection[str | int]) -> list[T]:
        return [from_document(found, collection.type) for found in await self._query_in(collection.name, field, values)]

    async def _between(
        self, collection: DocumentCollection[T], field: str, since: datetime, until: datetime, limit: int
    ) -> list[T]:
        found = await self._earliest(collection.name, field, since, until, limit)
        return [from_document(document, collection.type) for document in found]

    async def _compare_and_set_lease(
        self, lease: Lease | None, allowed: Callable[[Lease | None], bool]
    ) -> tuple[bool, Lease | None]:
        done, current = await self._compare_and_set(
            STATE,
            LEASE,
            None if lease is None else to_document(lease),
            lambda document: allowed(None if document is None else from_document(document, Lease)),
        )
        return done, None if current is None else from_document(current, Lease)

    # The primitives. Keys are the domain's; `documents.document_id` makes ids of them.

    @abstractmethod
    async def _get(self, collection: str, keys: Collection[str]) -> dict[str, Document]:
        """Return the documents that exist of these keys, by key."""

    @abstractmethod
    async def _query_in(
        self, collection: str, field: str, values: Collection[str | int], *, in_list: bool = False
    ) -> list[Document]:
        """Return the documents whose field has one of the values, or, with `in_list`, is a list with one of them.

        A dot leads into a field of a field.
        """

    @abstractmethod
    async def _latest(self, collection: str, field: str, limit: int) -> list[Document]:
        """Return the documents with the latest times in a field, latest first, of those that have the field."""

    @abstractmethod
    async def _earliest(
        self, collection: str, field: str, since: datetime, until: datetime, limit: int
    ) -> list[Document]:
        """Return documents whose field has a time between two moments, both included, earliest first."""

    @abstractmethod
    def _scan(self, collection: DocumentCollection[T], *, at_once: int) -> AsyncIterator[list[T]]:
        """Yield all values of a collection in the order of their ids, in pages of `at_once`."""

    @abstractmethod
    async def _has_any(self, collection: str) -> bool:
        """Return whether the collection has a document."""

    @abstractmethod
    async def _commit(self, writes: Sequence[Write], *, holder: str | None) -> None:
        """Write all or nothing.

        Args:
            writes: No document twice.
            holder: The run that must hold the lease at that moment; None for writes that need no lease.

        Raises:
            LeaseLost: The run does not hold the lease; nothing was written.
        """

    @abstractmethod
    async def _compare_and_set(
        self, collection: str, key: str, document: Document | None, allowed: Callable[[Document | None], bool]
    ) -> tuple[bool, Document | None]:
        """Replace a document, or delete it, if the current one allows it; nothing comes between read and write.

        Args:
            collection: Where the document is.
            key: Of the document.
            document: What to write; None deletes.
            allowed: Decides by the current document, None when there is none.

        Returns:
            Whether it was replaced or deleted, and the document before.
        """

    @abstractmethod
    async def _delete_expired(self, collection: str, *, until: datetime) -> None:
        """Delete the documents that expire up to a moment, unless the database does so by itself."""


def _is_held_by(lease: Lease | None, run_id: str) -> bool:
    return lease is not None and lease.run_id == run_id


def _part_key(run_id: str, number: int) -> str:
    return f"{run_id}-{number}"


def _put_state(state: State) -> Write:
    return put_document(STATE, STATE_KEYS[type(state)], to_document(state))


def _writes(changes: Changes) -> list[Write]:
    return [
        *(put(ORDERS, order) for order in changes.orders),
        *(put(PHONES, phone) for phone in changes.phones),
        *(delete(PHONES, phone) for phone in changes.deleted_phones),
        *(put(CLIENTS, client) for client in changes.clients),
        *(put(SALES, event) for event in changes.events),
        *(put(UNREADABLE, order) for order in changes.unreadable),
        *(delete(UNREADABLE, order_id) for order_id in changes.readable),
        *(put(DEAL_CONTACTS, contact) for contact in changes.deal_contacts),
        *(_put_state(state) for state in changes.state),
    ]
