"""Which phone each communication of the reports counts for: by its number, or because that phone's sale is on it."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from msgspec import Struct, field

from crm_bridge.domain.communication import Communication, CommunicationType
from crm_bridge.domain.phone import PhoneRecord
from crm_bridge.ports import SalesStore
from crm_bridge.usecases.further_numbers import claimed_numbers, usable_numbers


class CommunicationSorter(Struct):
    """Sorts the communications of the reports by the phones that a run is about.

    Attributes:
        phones: The phones that the run is about.
        communications: Those of each phone and of its further numbers; every phone has a list.
        found: How many communications these are.
        lost: Numbers of lost calls.
        reassigned: The communication of a phone's recorded change that CoMagic shows with another phone, by phone.
        foreign_numbers: Further numbers of these phones that are phones of other clients, which the run is not about.
        recorded: The phone of every sale that may stand, by its communication.
        recorded_ids: The ids of these communications.
        claimed: The further numbers that only one of these phones has, each with that phone.
        of_numbers: The communications of these numbers.
    """

    phones: dict[str, PhoneRecord]
    communications: dict[str, list[Communication]] = field(default_factory=dict)
    found: int = 0
    lost: set[str] = field(default_factory=set)
    reassigned: dict[str, Communication] = field(default_factory=dict)
    foreign_numbers: Collection[str] = ()
    recorded: dict[tuple[int, CommunicationType], str] = field(default_factory=dict)
    recorded_ids: set[int] = field(default_factory=set)
    claimed: dict[str, str] = field(default_factory=dict)
    of_numbers: dict[str, list[Communication]] = field(default_factory=dict)

    def start(self) -> None:
        """Begin to sort for these phones, with no communication taken yet."""
        self.communications = {number: [] for number in self.phones}
        self.found = 0
        self.reassigned = {}
        changes = ((phone.intent or phone.sale, phone) for phone in self.phones.values())
        self.recorded = {
            (change.id, change.type): phone.phone
            for change, phone in changes
            if change is not None and phone.may_bear_sale
        }
        self.recorded_ids = {number for number, _ in self.recorded}
        self.claimed = claimed_numbers(self.phones)
        self.of_numbers = {}

    def take(self, page: Iterable[Communication]) -> None:
        """Keep what a page shows of these phones, and of the communications of their recorded changes."""
        communications, claimed, recorded_ids = self.communications, self.claimed, self.recorded_ids
        for communication in page:
            if communication.lost:
                self.lost.add(communication.phone)
                continue
            # A key costs five times as much as an id, for every row.
            if communication.id in recorded_ids and self._is_kept_by_owner(communication):
                continue
            if (known := communications.get(communication.phone)) is not None:
                known.append(communication)
                self.found += 1
            elif communication.phone in claimed:
                self.of_numbers.setdefault(communication.phone, []).append(communication)

    async def take_further(self, store: SalesStore) -> None:
        """Add the communications of further numbers to those of the phones that claim them."""
        asked = {number: self.claimed[number] for number in self.of_numbers}
        for number in await usable_numbers(store, asked):
            self.communications[asked[number]] += self.of_numbers[number]
            self.found += len(self.of_numbers[number])

    def _is_kept_by_owner(self, shown: Communication) -> bool:
        """Leave a communication to the phone whose sale stands there, when it is shown with a number of that phone.

        It is no other phone's candidate then, also when its number has become another client's in the CRM since.
        """
        owner = self.recorded.get((shown.id, shown.type))
        if owner is None or owner == shown.phone:
            return False
        if self.is_of_another(self.phones[owner], shown):
            self.reassigned[owner] = shown
            return False
        self.communications[owner].append(shown)
        self.found += 1
        return True

    def is_of_another(self, record: PhoneRecord, shown: Communication) -> bool:
        """Say whether CoMagic shows the communication of a recorded change with a number of somebody else.

        The number by which it was found stays the phone's, whosever it is in the CRM by now.
        """
        change = record.intent or record.sale
        if change is None or not record.bears_sale_of(shown):
            return True
        if shown.phone in {record.phone, change.found_by}:
            return False
        return shown.phone in self.phones or shown.phone in self.foreign_numbers

    def phone_of(self, number: str) -> PhoneRecord | None:
        """Return the phone that a number is, or whose further number it is."""
        return self.phones.get(number) or self.phones.get(self.claimed.get(number, ""))
