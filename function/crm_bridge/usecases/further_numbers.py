"""Further numbers of clients: which of them find communications, and for whom."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from crm_bridge.domain.aggregate import Client
from crm_bridge.domain.phone import PhoneRecord
from crm_bridge.ports import SalesStore


def claimed_numbers(phones: Mapping[str, PhoneRecord]) -> dict[str, str]:
    """Return the further numbers that exactly one of these phones claims, each with that phone.

    A number that is one of the phones itself belongs to that one.
    """
    claimed: dict[str, str] = {}
    shared: set[str] = set()
    for phone, record in phones.items():
        for number in record.other_phones:
            if number in phones or number in claimed:
                shared.add(number)
            else:
                claimed[number] = phone
    return {number: phone for number, phone in claimed.items() if number not in shared} if shared else claimed


async def usable_numbers(store: SalesStore, claimed: Mapping[str, str]) -> Collection[str]:
    """Return the numbers that are nobody else's: no other client's phone, nor further number beside another phone.

    Args:
        store: Where the clients are, those without orders too.
        claimed: The numbers in question, each with the phone that claims it.
    """
    if not claimed:
        return ()
    taken = await store.phones(claimed)
    free = nobody_elses(claimed, await store.clients_with_numbers(claimed))
    return [number for number in free if number not in taken]


def nobody_elses(claimed: Mapping[str, str], clients: Iterable[Client]) -> list[str]:
    """Return the numbers that no client has whose phone is not the one that claims them.

    Args:
        claimed: The numbers in question, each with the phone that claims it.
        clients: All who have one of them.
    """
    foreign = {
        number
        for client in clients
        for number in (*client.other_phones, client.phone)
        if number is not None and claimed.get(number, client.phone) != client.phone
    }
    return [number for number in claimed if number not in foreign]
