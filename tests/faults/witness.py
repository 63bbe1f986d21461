"""Sees every commit of the program and every change of a sale in CoMagic when it happens, and notes what must not be.

It knows whose sale stands where: for which phone we have set it. It trusts two things that the program stores: the
intents, to know for which phone a call is made, and the record of an adopted sale, after checking that it was right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from crm_bridge.domain.absence import GONE_AFTER_DAYS
from crm_bridge.stores.base import PHONES
from crm_bridge.stores.documents import Write, from_document, key_of
from tests.faults.oracle import candidates
from tests.sandbox.comagic.store import Communication, HistoryEntry, Key
from tests.sandbox.world import World

assert GONE_AFTER_DAYS == 3, "the contract says three different local days"


class History(list[HistoryEntry]):
    """CoMagic's history, which shows each entry to the witness."""

    witness: Witness

    def append(self, entry: HistoryEntry) -> None:
        super().append(entry)
        self.witness.see(entry)


@dataclass
class Witness:
    """What has been seen.

    Attributes:
        records: The phone records that the database holds.
        owners: The phone for which we have set the sale that stands on a communication.
        leaving: The communication that we have taken a phone's sale off to set another, and whether it may move then.
        absent: Local days on which a full run may have missed the communication of a phone's sale.
        surely_absent: Those on which a clean run has missed it, since it was last shown.
        taken: Whose sale was last taken off a communication; None for a foreign one.
        wrong: What must not be, in words.
    """

    world: World
    records: dict[str, Any] = field(default_factory=dict)
    owners: dict[Key, str] = field(default_factory=dict)
    leaving: dict[str, tuple[Key, bool]] = field(default_factory=dict)
    absent: dict[str, set[date]] = field(default_factory=dict)
    surely_absent: dict[str, set[date]] = field(default_factory=dict)
    taken: dict[Key, str | None] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def watch(self) -> None:
        """See the history of the world from now on."""
        store = self.world.comagic.store
        history = History(store.history)
        history.witness = self
        store.history = history

    def on_commit(self, writes: Sequence[Write]) -> None:
        """See what was stored."""
        for write in writes:
            if write.collection != PHONES.name:
                continue
            phone = key_of(write.document_id)
            if write.document is None:
                self.records.pop(phone, None)
                continue
            before = self.records.get(phone)
            record = self.records[phone] = from_document(write.document, PHONES.type)
            if record.sale is None or record.sale.ours:
                continue
            if before is None or before.sale is None or before.sale.key != record.sale.key:
                self._see_adoption(phone, record)

    def _see_adoption(self, phone: str, record: Any) -> None:
        key = _key(record.sale)
        row = self.communication(key)
        if row is None or record.sale.amount_kopecks != record.amount_kopecks:
            self.wrong.append(f"{phone}: adopted {key} with another sum than its own")
        elif record.sale.amount_kopecks not in [sale.amount_kopecks for sale in row.state.sales]:
            self.wrong.append(f"{phone}: adopted a sale that does not stand on {key}")

    def see(self, entry: HistoryEntry) -> None:
        """See a change of a sale that took effect."""
        key = (entry.communication_type, entry.communication_id)
        if entry.who == "hand":
            self.forget(key)
            return
        phone = next((phone for phone, record in self.records.items() if _is_on(record.intent, key)), None)
        if phone is None:
            self.wrong.append(f"{key}: {entry.what} without an intent in the database")
        elif entry.what == "unset":
            self._see_unset(phone, key, entry.amount_kopecks or 0)
        else:
            self._see_set(phone, key, entry)

    def _see_unset(self, phone: str, key: Key, amount: int) -> None:
        owner = self.owners.pop(key, None)
        self.taken[key] = owner
        record = self.records[phone]
        if owner is None:
            if amount:
                self._see_foreign_taken_off(phone, key, amount)
        elif owner != phone:
            self.wrong.append(f"{key}: the sale of {owner} was taken off for {phone}")
        self.leaving.pop(phone, None)
        if owner == phone and record.intent.amount_kopecks:
            self.leaving[phone] = key, self._may_move(phone, key)

    def _see_foreign_taken_off(self, phone: str, key: Key, amount: int) -> None:
        """A foreign sale is replaced where it bears the phone's sale, and removed only when it was adopted."""
        record = self.records[phone]
        follows = record.sale is not None and _key(record.sale) == key
        if follows and (record.sale.ours or record.sale.amount_kopecks == amount):
            return  # adopted and unchanged, or our own sale that a person has changed
        if record.intent.amount_kopecks == 0:
            self.wrong.append(f"{key}: a foreign sale of {amount} was removed for {phone}, who had not adopted it")
            return
        with_sales = [call for call in candidates(self.world, phone) if call.state.sales]
        if not follows and with_sales and with_sales[0].key != key:
            self.wrong.append(f"{key}: a foreign sale was replaced; {with_sales[0].key} bears the sale of {phone}")

    def _see_set(self, phone: str, key: Key, entry: HistoryEntry) -> None:
        intent = self.records[phone].intent
        if entry.what != "set":
            self.wrong.append(f"{key}: {entry.what} of {entry.amount_kopecks} on a sale that stood")
        if entry.amount_kopecks not in (intent.amount_kopecks, intent.previous_kopecks):
            self.wrong.append(f"{key}: {entry.amount_kopecks} was set, the intent says {intent.amount_kopecks}")
        row = self.communication(key)
        sale = row.state.sales[-1] if row else None
        if sale is not None and sale.date_time > self.world.clock.now():
            self.wrong.append(f"{key}: a sale dated {sale.date_time}, later than now")
        is_restored = entry.amount_kopecks != intent.amount_kopecks
        owner = self.taken.get(key) if is_restored else phone
        if owner is None:
            return  # a foreign sale was put back
        self._see_move(owner, key)
        self.owners[key] = owner
        self.surely_absent.pop(owner, None)  # what a sale was set on is there
        elsewhere = [other for other, name in self.owners.items() if name == owner and other != key]
        if elsewhere:
            self.wrong.append(f"{owner}: a sale was set on {key}, and one of ours stands on {elsewhere}")

    def _see_move(self, phone: str, key: Key) -> None:
        """Our sale leaves its communication only when that is gone or denied, or has become another phone's."""
        before, could_move = self.leaving.pop(phone, (key, True))
        if before != key and not could_move and not self._may_move(phone, before):
            self.wrong.append(f"{phone}: its sale moved from {before} to {key} without a reason")

    def _may_move(self, phone: str, key: Key) -> bool:
        row = self.communication(key)
        return row is None or row.phone != phone or len(self.absent.get(phone, ())) >= 3 or self._was_denied(key)

    def _was_denied(self, key: Key) -> bool:
        """CoMagic has answered the last write to a communication with `entity_not_found`.

        That is its answer for the tag alone, too. While no report shows the communication, nobody can say which.
        """
        writes = (
            record.outcome
            for record in reversed(self.world.comagic.requests)
            if record.method in ("set.tag_sales", "unset.tag_communications")
            and (record.params["communication_type"], record.params["communication_id"]) == key
        )
        return next(writes, "") == "error entity_not_found"

    def communication(self, key: Key) -> Communication | None:
        """Return a communication; None when it was deleted."""
        return self.world.comagic.store.by_id[key[0]].get(key[1])

    def forget(self, key: Key) -> None:
        """A person has changed or removed what stood on a communication: it is no longer our sale."""
        self.owners.pop(key, None)

    def a_full_run_begins(self, *, ahead: timedelta, reports_lack_all: bool) -> None:
        """Count the day for the phones whose communication the run may miss."""
        now = self.world.clock.now() + ahead
        zone = self.world.agbis.zone
        days = {now.astimezone(zone).date(), (now + timedelta(minutes=30)).astimezone(zone).date()}
        for phone, record in self.records.items():
            if record.sale is None:
                continue
            key = _key(record.sale)
            row = self.communication(key)
            if row is None or key in self.world.comagic.store.hidden or reports_lack_all:
                self.absent.setdefault(phone, set()).update(days)

    def a_clean_run_has_ended(self) -> None:
        """Count the day of absence for what is not shown, and forget the days of what is."""
        today = self.world.clock.now().astimezone(self.world.agbis.zone).date()
        for phone in {*self.absent, *self.surely_absent}:
            record = self.records.get(phone)
            key = None if record is None or record.sale is None else _key(record.sale)
            if key is None or (self.communication(key) and key not in self.world.comagic.store.hidden):
                self.absent.pop(phone, None)
                self.surely_absent.pop(phone, None)
            else:
                self.surely_absent.setdefault(phone, set()).add(today)

    def recorded(self, key: Key) -> tuple[str, Any] | None:
        """Return the phone whose change or sale is recorded on a communication, and that record."""
        for phone, record in self.records.items():
            change = record.intent or record.sale
            if change is not None and _key(change) == key:
                return phone, record
        return None


def _key(target: Any) -> Key:
    return (str(target.type), target.id)


def _is_on(intent: Any, key: Key) -> bool:
    return intent is not None and _key(intent) == key
