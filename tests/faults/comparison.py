"""What stands in CoMagic after a clean run, compared with what must stand: ownership and absence included."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tests.faults.business import Business
from tests.faults.oracle import candidates, owed
from tests.sandbox.comagic.store import Key
from tests.support.sync_app import rows

Row = Mapping[str, Any]


def problems(business: Business, journal: Mapping[str, Any]) -> list[str]:
    """Say what is wrong: every paid sum stands exactly once, nothing else of ours stands, and the journal says so."""
    found = []
    if (journal["failed"], journal["deferred"], journal["complete"]) != (0, 0, True):
        found.append(f"not a clean run: {journal}")
    sums, shown = owed(business.world, business.readable), rows(journal)
    for phone in sorted({*sums, *business.witness.owners.values()}):
        sum_, row = sums.get(phone, 0), shown.get(phone)
        ours = [key for key, owner in business.witness.owners.items() if owner == phone]
        if not sum_:
            each = [f"nothing is paid, and a sale of ours stands on {ours}"] if ours else []
        elif row is None:
            each = ["has no row"]
        else:
            each = [*_wrong_place(business, phone, sum_, row, ours), *_wrong_record(business, phone, row, ours)]
        found += [f"{phone}: {problem}" for problem in each]
    twice = phones_with_a_sum_twice(business)
    if journal["money"]["balanced"] is bool(twice):
        found.append(f"balanced is {journal['money']['balanced']}, and the sums of {twice} stand twice")
    return found


def _wrong_place(business: Business, phone: str, sum_: int, row: Row, ours: list[Key]) -> Iterator[str]:
    """Look at the communication that the row names: it alone bears the sum, ours or an adopted sale."""
    if row[phone] == "not found":
        if ours or candidates(business.world, phone):
            yield f"is not found, and {ours} or another communication could bear its sale"
        return
    key = ("call", int(row[phone]))
    call = business.witness.communication(key)
    if call is None:
        # Absence is not deletion: a deleted call counts until CoMagic or three days say otherwise.
        if not row.get("not_shown") or row["result"] != "problem" or ours:
            yield f"its call is deleted: {row}, {ours}"
    elif [sale.amount_kopecks for sale in call.state.sales] != [sum_]:
        yield f"{call.state.sales} on {key} instead of {sum_}"
    elif call.phone not in (phone, None) and key not in business.hidden:
        yield f"its sale stands on {key}, which has the phone {call.phone}"
    elif ours not in ([], [key]):
        yield f"its row says {key}, ours stands on {ours}"


def _wrong_record(business: Business, phone: str, row: Row, ours: list[Key]) -> Iterator[str]:
    """Look at what the program remembers: without it, a later refund would leave our sale standing."""
    record = business.witness.records[phone]
    if ours and (record.intent or not record.sale or not record.sale.ours or record.sale.id != ours[0][1]):
        yield f"our sale on {ours} is recorded as {record.sale}"
    days = business.witness.surely_absent.get(phone, set())
    if len(days) >= 3 and row.get("not_shown"):
        yield f"not shown on {sorted(days)}, and still not moved"


def phones_with_a_sum_twice(business: Business) -> list[str]:
    """Phones whose sum stands on their recorded communication and on another one that reports show."""
    found = []
    for phone, record in business.witness.records.items():
        sum_ = record.amount_kopecks
        bearing = {
            call.key
            for call in candidates(business.world, phone)
            if sum_ in [sale.amount_kopecks for sale in call.state.sales]
        }
        sale = record.sale
        if sale is not None and sale.amount_kopecks == sum_:
            bearing.add((str(sale.type), sale.id))
        if sum_ and len(bearing) > 1:
            found.append(phone)
    return found


def phones_with_several_sales(business: Business) -> list[str]:
    """Phones with a sale on another communication than the recorded one: their sum may stand twice."""
    found = []
    for phone, record in business.witness.records.items():
        bearing = {call.key for call in candidates(business.world, phone) if call.state.sales}
        if record.sale is not None:
            bearing.add((str(record.sale.type), record.sale.id))
        if len(bearing) > 1:
            found.append(phone)
    return found


def changed_sales(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Phones of which something else is stored about sales: their records before and after.

    A refresh takes a phone out of the database that has no order and of which no sale stands, and puts it back.
    """
    return [phone for phone in {*before, *after} if _is_changed(before.get(phone), after.get(phone))]


def _is_changed(before: Any | None, after: Any | None) -> bool:
    was = (None, None) if before is None else (before.sale, before.intent)
    if after is None:
        sale, intent = was
        return bool(intent or (sale and sale.amount_kopecks))
    return was != (after.sale, after.intent)
