"""Bring the contacts of deals in line with the clients of the CRM, before the deals name them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct, field
from msgspec.structs import replace

from crm_bridge.domain.deal import DealContact
from crm_bridge.errors import AlreadyExists, NotFound, RecordRefused
from crm_bridge.ports import Changes
from crm_bridge.usecases.deal_session import DealItem, DealSession
from crm_bridge.usecases.refused_records import find_refused


class DealContacts(Struct, kw_only=True):
    """The contacts of one run.

    Attributes:
        refused: Why CoMagic refuses a contact, by client.
    """

    session: DealSession
    refused: dict[str, RecordRefused] = field(default_factory=dict)

    async def ensure(self, items: Iterable[DealItem]) -> None:
        """Make or update the contacts that differ from what CoMagic is known to have.

        Raises:
            RemoteError: Their outcome remains unknown, or the account is closed to us.
        """
        wanted = _wanted(items)
        known = await self.session.context.services.store.deal_contacts(wanted)
        new = [contact for client_id, contact in wanted.items() if client_id not in known]
        if new:
            await self._create(new)
        await self._update_changed(wanted, known)

    async def ensure_again(self, items: Iterable[DealItem]) -> bool:
        """Compare the contacts with what CoMagic has, not with what we know; say whether one was missing there."""
        wanted = _wanted(items)
        existing = await self.session.read(self.session.deals.contacts(wanted))
        missing = [contact for client_id, contact in wanted.items() if client_id not in existing]
        if missing:
            await self._create(missing)
        await self._update_changed(wanted, existing)
        return bool(missing)

    async def _update_changed(self, wanted: Mapping[str, DealContact], known: Mapping[str, DealContact]) -> None:
        for client_id, contact in wanted.items():
            if client_id in known and set(known[client_id].phones) != set(contact.phones):
                await self._update(replace(contact, created_at=known[client_id].created_at))

    async def _create(self, contacts: list[DealContact]) -> None:
        rest = contacts
        while rest:
            refusal = await self._try_create(rest)
            if refusal is None:
                return
            bad, refusal, rest = await find_refused(rest, refusal, self._try_create, trust_index=True)
            self.refused[bad.client_id] = refusal

    async def _try_create(self, contacts: list[DealContact]) -> RecordRefused | None:
        session = self.session
        existing: dict[str, DealContact] = {}
        missing = contacts
        try:
            await session.write(lambda: session.deals.create_contacts(contacts))
        except RecordRefused as exc:
            if exc.fatal:
                raise
            return exc
        except AlreadyExists:  # whether the others were made is not known: docs/remote/comagic-deals.md#unknowns, 1
            existing = await session.read(session.deals.contacts([contact.client_id for contact in contacts]))
            missing = [contact for contact in contacts if contact.client_id not in existing]
            if len(missing) == len(contacts):
                raise
            if missing and (refusal := await self._try_create(missing)) is not None:
                return refusal
        session.new_contacts.update(contact.client_id for contact in missing)
        wanted = {contact.client_id: contact for contact in contacts}
        await self._save(existing.get(client_id, contact) for client_id, contact in wanted.items())
        await self._update_changed(wanted, existing)
        return None

    async def _update(self, contact: DealContact) -> None:
        session = self.session
        try:
            await session.write(lambda: session.deals.update_contact(contact))
        except NotFound:
            await self._create([contact])
            return
        await self._save([contact])

    async def _save(self, contacts: Iterable[DealContact]) -> None:
        await self.session.lease.write([Changes(deal_contacts=[contact]) for contact in contacts])


def _wanted(items: Iterable[DealItem]) -> dict[str, DealContact]:
    """Return the contact of each client, no later than its deals."""
    wanted: dict[str, DealContact] = {}
    for item in items:
        deal = item.deal
        known = wanted.get(deal.client_id)
        created_at = deal.created_at if known is None else min(known.created_at, deal.created_at)
        wanted[deal.client_id] = DealContact(client_id=deal.client_id, phones=deal.phones, created_at=created_at)
    return wanted
