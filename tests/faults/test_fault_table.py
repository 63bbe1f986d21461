"""Each way in which the remote systems are known to fail, in the middle of a run: the answer, and the state afterwards.

The day has seventeen changes of every sort. A row makes one thing go wrong meanwhile, checks the answer,
and makes one clean run follow. By then every phone's sum stands once, as the CRM has it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any

import pytest

from tests.faults.oracle import differences, hasty_logins, sets_in_excess
from tests.sandbox.faults import Fault
from tests.sandbox.simulator import Simulator
from tests.support.sync_app import SyncApp, rows

pytestmark = pytest.mark.anyio

READ, SET, UNSET = "get.calls_report", "set.tag_sales", "unset.tag_communications"
ORDERS, CLIENTS, CLIENT, LOGIN = "OrderByDateTimeForAll", "ClientsByDateTimeForAll", "ContrInfoForAll", "Login"
PAYMENTS = "OrderPaysBetweenForAll"

DOWN = ["http_500", "http_502_html", "http_503"]
LATE = ["http_504_html", "timeout_before", "timeout_after"]
GARBLED = ["not_json", "truncated_json", "empty_body", "not_json_after", "truncated_after"]
CUT = ["connect_error", "reset_before", "reset_after", "http_502_after"]


class Now(Enum):
    """How the run that the fault hits ends."""

    ALL_DONE = auto()
    """200, and nothing is amiss."""
    FAILS_ALONE = auto()
    """200, one row has the code, all the others are done."""
    DEFERS = auto()
    """200, not complete, nothing failed: what has not been done yet is left to the next run."""
    SOME_FAIL = auto()
    """200, the changes in progress have the code; those not started are left to the next run."""
    TAKES_IT_FOR_DONE = auto()
    """200: CoMagic has said that it was done."""
    MISSES_ORDERS = auto()
    """200: the CRM has said that there is nothing new."""
    IS_503 = auto()
    IS_502 = auto()


@dataclass(frozen=True, kw_only=True)
class Case:
    """A row of the table.

    Attributes:
        skip: How many requests of the method pass before; by default the fault meets the middle of the run.
        names: What the answer names: a row's code or a part of the message.
        waits: The shortest time the run takes, in seconds of the manual clock.
        next_run: How long afterwards the clean run comes.
        duplicate_set: What this account does with a second sale on a communication.
    """

    method: str
    kind: str
    now: Now
    params: dict[str, Any] = field(default_factory=dict)
    times: int | None = 1
    skip: int = 0
    names: str = ""
    waits: float = 0
    retry_after: bool = False
    next_run: timedelta = timedelta(minutes=2)
    duplicate_set: str = "add"

    def __str__(self) -> str:
        details = "-".join(str(value) for value in self.params.values())
        often = {1: "", None: "-for-ever"}.get(self.times, f"-{self.times}-times")
        return f"{self.method}-{self.kind}{'-' if details else ''}{details}{often}".replace(" ", "_")


def refusal(mnemonic: str, **params: Any) -> dict[str, Any]:
    return {"mnemonic": mnemonic, **params}


def table() -> Iterator[Case]:
    yield from writes_that_may_have_happened()
    yield from writes_that_are_refused()
    yield from quotas()
    yield from reads_of_comagic()
    yield from reads_of_the_crm()
    yield from payments_of_the_crm()
    yield from sessions_of_the_crm()
    yield from hostile_answers()
    yield from named_delays()


def writes_that_may_have_happened() -> Iterator[Case]:
    """No answer, or one that says nothing: the communication is read before anything is repeated."""
    for kind in (*DOWN, *LATE, *GARBLED, *CUT, "slow"):
        yield Case(method=SET, kind=kind, now=Now.ALL_DONE, skip=6)
        yield Case(method=UNSET, kind=kind, now=Now.ALL_DONE, skip=4)
    for method, skip in ((SET, 6), (UNSET, 4)):
        yield Case(method=method, kind="id_mismatch", now=Now.ALL_DONE, skip=skip)
        yield Case(method=method, kind="no_result", now=Now.ALL_DONE, skip=skip)
        yield Case(method=method, kind="error", params=refusal("internal_error"), now=Now.ALL_DONE, skip=skip)
        after_all = refusal("internal_error", after=True)
        yield Case(method=method, kind="error", params=after_all, now=Now.ALL_DONE, skip=skip)
    yield Case(method=SET, kind="timeout_after", now=Now.ALL_DONE, skip=4, times=None)
    # One of these calls was deleted: only an answer can say so, and a report that does not show it is no proof.
    yield Case(method=UNSET, kind="timeout_after", now=Now.FAILS_ALONE, skip=3, times=None, names="unavailable")
    yield Case(method=UNSET, kind="reset_before", now=Now.ALL_DONE, skip=3, times=2)
    for kind, code in (("timeout_before", "unavailable"), ("http_503", "unavailable"), ("not_json", "bad_answer")):
        yield Case(method=SET, kind=kind, now=Now.SOME_FAIL, skip=6, times=None, names=code)
        yield Case(method=UNSET, kind=kind, now=Now.SOME_FAIL, skip=4, times=None, names=code)
    yield Case(method="*", kind="reset_before", now=Now.SOME_FAIL, skip=12, times=None, names="unavailable")
    yield Case(method=SET, kind="empty_success", now=Now.TAKES_IT_FOR_DONE, skip=6)
    # Where a second set adds a sale, an unset that did nothing cannot be noticed without a report that shows the sale.
    nothing_off = Case(method=UNSET, kind="empty_success", now=Now.FAILS_ALONE, skip=4, names="duplicate_entity")
    yield replace(nothing_off, duplicate_set="error")


def writes_that_are_refused() -> Iterator[Case]:
    """One bad item fails alone; a key that is gone stops the run."""
    of_this_item = ["invalid_parameter_value", "data_type_error", "already_in_use", "error"]
    of_this_site = ["tariff_restrictions", "forbidden", "method_component_disabled"]
    for code in (*of_this_item, *of_this_site):
        yield Case(method=SET, kind="error", params=refusal(code), now=Now.FAILS_ALONE, skip=7, names=code)
    yield Case(method=UNSET, kind="error", params=refusal("forbidden"), now=Now.FAILS_ALONE, skip=4, names="forbidden")
    # A refused date is tried again with the communication's own time.
    date = refusal("invalid_date_time")
    yield Case(method=SET, kind="error", params=date, now=Now.FAILS_ALONE, skip=7, times=2, names="invalid_date_time")
    unknown = "error_unknown_mnemonic"
    yield Case(method=SET, kind=unknown, now=Now.FAILS_ALONE, skip=7, names="something_new")
    # These two say how things stand rather than what was done, so reading resolves them.
    for code in ("duplicate_entity", "entity_not_found"):
        yield Case(method=SET, kind="error", params=refusal(code), now=Now.FAILS_ALONE, skip=7, names=code)
    done = refusal("duplicate_entity", after=True)
    yield Case(method=SET, kind="error", params=done, now=Now.ALL_DONE, skip=7)
    done = refusal("entity_not_found", after=True)
    yield Case(method=UNSET, kind="error", params=done, now=Now.ALL_DONE, skip=4)
    not_done = refusal("entity_not_found")
    yield Case(method=UNSET, kind="error", params=not_done, now=Now.FAILS_ALONE, skip=4, names="entity_not_found")
    of_the_key = ["access_token_invalid", "access_token_expired", "access_token_blocked"]
    for code in (*of_the_key, "ip_not_whitelisted", "account_inactive", "data_limit_exceeded"):
        yield Case(method=SET, kind="error", params=refusal(code), now=Now.SOME_FAIL, skip=7, times=None, names=code)
    revoked = refusal("access_token_invalid")
    yield Case(
        method=UNSET, kind="error", params=revoked, now=Now.SOME_FAIL, skip=4, times=None, names=revoked["mnemonic"]
    )
    yield Case(
        method="*", kind="error", params=revoked, now=Now.SOME_FAIL, skip=12, times=None, names=revoked["mnemonic"]
    )


def quotas() -> Iterator[Case]:
    """A spent minute is waited for, a spent day is left to the next run; neither is ever a failure."""
    for method, skip in ((READ, 0), (SET, 6), (UNSET, 4)):
        for has_metadata in (True, False):
            params = {} if has_metadata else {"metadata": False}
            minute, day = "limit_exceeded_minute", "limit_exceeded_day"
            yield Case(method=method, kind=minute, params=params, now=Now.ALL_DONE, skip=skip, waits=1)
            if method != READ:
                yield Case(method=method, kind=day, params=params, now=Now.DEFERS, skip=skip, times=None)
        yield Case(method=method, kind="http_429", now=Now.ALL_DONE, skip=skip, waits=60)
    yield Case(method=SET, kind="http_429", now=Now.ALL_DONE, skip=6, times=2, waits=60)


def reads_of_comagic() -> Iterator[Case]:
    for kind in (*DOWN, *LATE, *GARBLED, *CUT, "slow"):
        yield Case(method=READ, kind=kind, now=Now.ALL_DONE)
    yield Case(method=READ, kind="http_503", now=Now.ALL_DONE, times=2)
    yield Case(method=READ, kind="error", params=refusal("internal_error"), now=Now.ALL_DONE)
    for kind in ("http_502_html", "reset_before", "timeout_before", "connect_error"):
        yield Case(method=READ, kind=kind, now=Now.IS_503, times=None, names="CoMagic")
    yield Case(method=READ, kind="not_json", now=Now.IS_502, times=None, names="CoMagic")
    yield Case(method=READ, kind="no_result", now=Now.IS_502, names="No result in CoMagic answer")
    yield Case(method=READ, kind="no_data", now=Now.IS_502, names="No data in CoMagic answer result")
    yield Case(method=READ, kind="id_mismatch", now=Now.IS_502, names="CoMagic")
    for code in ("access_token_invalid", "ip_not_whitelisted", "forbidden", "account_inactive"):
        yield Case(method=READ, kind="error", params=refusal(code), now=Now.IS_502, names=code)
    yield Case(method=READ, kind="error_unknown_mnemonic", now=Now.IS_502, names="something_new")


def reads_of_the_crm() -> Iterator[Case]:
    for kind in (*DOWN, *GARBLED, *CUT, "slow", "bom", "wrong_content_type"):
        yield Case(method=ORDERS, kind=kind, now=Now.ALL_DONE, skip=1)
    for kind in LATE:  # the window is too wide: its halves are asked for
        yield Case(method=ORDERS, kind=kind, now=Now.ALL_DONE, skip=1)
        yield Case(method=CLIENTS, kind=kind, now=Now.ALL_DONE, skip=1, times=3)
        yield Case(method=CLIENT, kind=kind, now=Now.ALL_DONE, skip=4)
    for code in (100, 101, 107, 108, 109):
        yield Case(method=ORDERS, kind="error", params={"code": code}, now=Now.ALL_DONE, skip=1)
        lasting = Case(method=CLIENTS, kind="error", params={"code": code}, now=Now.IS_503, skip=1, times=None)
        yield replace(lasting, names=str(code))
    yield Case(method=CLIENT, kind="error_as_string", params={"code": 108}, now=Now.ALL_DONE, skip=4)
    yield Case(method=CLIENT, kind="error", params={"code": 108}, now=Now.IS_503, skip=4, times=None, names="108")
    for method in (ORDERS, CLIENTS, CLIENT):
        yield Case(method=method, kind="http_429", now=Now.ALL_DONE, skip=1, waits=120)
        yield Case(method=method, kind="error", params={"code": 102}, now=Now.ALL_DONE, skip=1, waits=120)
    lasting = Case(method=ORDERS, kind="error", params={"code": 102}, now=Now.IS_503, skip=1, times=None)
    yield replace(lasting, waits=240, retry_after=True)
    for code in (1, 103, 104, 105, 999):
        yield Case(method=ORDERS, kind="error", params={"code": code}, now=Now.IS_502, skip=1, names=str(code))
    yield Case(method=ORDERS, kind="http_403_json", now=Now.IS_502, skip=1, names="403")
    yield Case(method=ORDERS, kind="no_orders_key", now=Now.IS_502, skip=1, names="orders")
    yield Case(method=CLIENTS, kind="not_json", now=Now.IS_502, skip=1, times=None, names="Agbis")
    yield Case(method=ORDERS, kind="connect_error", now=Now.IS_503, skip=1, times=None, names="Agbis")
    yield Case(method=CLIENTS, kind="timeout_before", now=Now.IS_503, skip=1, times=None, names="Agbis")
    yield Case(method=ORDERS, kind="empty_success", now=Now.MISSES_ORDERS, skip=2)
    # A client of whom nothing is known has no phone, and is asked for again a day later.
    tomorrow = timedelta(days=1, minutes=2)
    for kind, params in (("error", {"code": 1, "msg": "Клиент не найден"}), ("empty_success", {})):
        yield Case(method=CLIENT, kind=kind, params=params, now=Now.MISSES_ORDERS, skip=4, next_run=tomorrow)


def payments_of_the_crm() -> Iterator[Case]:
    """A refresh can do without the list of payments, but not when the CRM is away: then the run is to be repeated."""
    for kind in (*DOWN, *LATE, *GARBLED, *CUT, "slow", "bom"):
        yield Case(method=PAYMENTS, kind=kind, now=Now.ALL_DONE, skip=1)
    for code in (1, 103, 104, 105, 999):
        yield Case(method=PAYMENTS, kind="error", params={"code": code}, now=Now.ALL_DONE, times=None)
    for kind in ("not_json", "http_504_html", "http_403_json", "no_orders_key", "empty_success"):
        yield Case(method=PAYMENTS, kind=kind, now=Now.ALL_DONE, times=None)
    yield Case(method=PAYMENTS, kind="http_429", now=Now.ALL_DONE, skip=1, waits=120)
    yield Case(method=PAYMENTS, kind="error", params={"code": 108}, now=Now.IS_503, skip=1, times=None, names="108")
    yield Case(method=PAYMENTS, kind="connect_error", now=Now.IS_503, skip=1, times=None, names="Agbis")


def sessions_of_the_crm() -> Iterator[Case]:
    for method in (ORDERS, CLIENTS, CLIENT):
        for code in (2, 3, 106):
            yield Case(method=method, kind="error", params={"code": code}, now=Now.ALL_DONE, skip=1)
        yield Case(method=method, kind="session_lost", now=Now.ALL_DONE, skip=1, waits=120)
    for code in (3, 106):
        lasting = Case(method=CLIENT, kind="error", params={"code": code}, now=Now.IS_502, skip=4, times=None)
        yield replace(lasting, names=str(code))
    yield Case(method=LOGIN, kind="http_429", now=Now.ALL_DONE, waits=120)
    yield Case(method=LOGIN, kind="error", params={"code": 102}, now=Now.ALL_DONE, waits=120)
    for kind in (*DOWN, *LATE, *GARBLED, "reset_before", "reset_after", "http_502_after"):
        yield Case(method=LOGIN, kind=kind, now=Now.ALL_DONE, waits=120)
    yield Case(method=LOGIN, kind="connect_error", now=Now.ALL_DONE)
    yield Case(method=LOGIN, kind="error", params={"code": 108}, now=Now.IS_503, times=None, names="108", waits=120)
    yield Case(method=LOGIN, kind="http_429", now=Now.IS_503, times=None, names="429", waits=120, retry_after=True)
    for code in (1, 2):
        wrong = Case(method=LOGIN, kind="error", params={"code": code}, now=Now.IS_502, times=None)
        yield replace(wrong, names="AGBIS_PASSWORD")


def hostile_answers() -> Iterator[Case]:
    """An answer that no decoder should meet, or that no business means, is never a 500."""
    for kind in ("deep_json", "long_number", "gzip_bomb"):
        yield Case(method=READ, kind=kind, now=Now.IS_502, names="the answer has")
        is_too_large = kind == "gzip_bomb"  # then the window is halved, down to a minute
        times = None if is_too_large else 1
        yield Case(method=ORDERS, kind=kind, now=Now.IS_502, skip=1, times=times, names="the answer has")
        if is_too_large:
            yield Case(method=ORDERS, kind=kind, now=Now.ALL_DONE, skip=1)
        yield Case(method=LOGIN, kind=kind, now=Now.ALL_DONE)
        yield Case(method=SET, kind=kind, now=Now.ALL_DONE, skip=6)
    for pattern, by, names in (
        (r'"start_time": ?"\d{4}', '"start_time":"9999', "years 2000 to 2100"),
        (r'"sale_cost": ?[^,}]+', '"sale_cost":1e999999999', "the answer has"),
        (r'"sale_cost": ?[^,}]+', '"sale_cost":"1e999999999"', "sale_cost"),
        (r'"sale_cost": ?[^,}]+', '"sale_cost":1e99', "sale_cost"),
        (r'"day_reset": ?\d+', '"day_reset":1000000000000000000', "the answer has"),
        (r'"communication_id": ?\d+', '"communication_id":99999999999999999999', "the answer has"),
    ):
        yield Case(method=READ, kind="rewritten", params={"pattern": pattern, "by": by}, now=Now.IS_502, names=names)
    years = {"pattern": r'"day_reset": ?\d+', "by": '"day_reset":100000000000000000'}
    yield Case(method=READ, kind="rewritten", params=years, now=Now.ALL_DONE)
    more = {"pattern": r'"total_items": ?\d+', "by": '"total_items":5000000'}
    yield Case(method=READ, kind="rewritten", params=more, now=Now.ALL_DONE, times=None)
    msg = {"pattern": r'^\{"error": ?0', "by": r'{"error":1,"Msg":"Нет \\ud800 данных\\u0007"'}
    yield Case(method=ORDERS, kind="rewritten", params=msg, now=Now.IS_502, skip=1, names="error 1: Нет данных")
    for method in (READ, ORDERS, LOGIN, SET):
        yield Case(method=method, kind="drip", now=Now.ALL_DONE, skip={SET: 6, ORDERS: 1}.get(method, 0))


def named_delays() -> Iterator[Case]:
    """A delay that the other side names is kept when the run has time for it, and passed on when it has not."""
    for kind in ("http_503", "http_429"):
        for method in (READ, ORDERS, CLIENT, LOGIN):
            soon = Case(method=method, kind=kind, params={"retry_after": 300}, now=Now.ALL_DONE, waits=300)
            yield replace(soon, skip=4 if method == CLIENT else 0)
            late = {"retry_after": 86_000}
            if (method, kind) == (READ, "http_429"):
                continue  # a spent quota after a refresh: 200, everything deferred
            yield Case(method=method, kind=kind, params=late, now=Now.IS_503, retry_after=True, waits=0)
    yield Case(method=SET, kind="http_503", params={"retry_after": 300}, now=Now.ALL_DONE, skip=6, waits=300)


TABLE = list(table())


def test_the_table_has_every_way_that_the_fact_sheets_name() -> None:
    assert len({str(case) for case in TABLE}) == len(TABLE) >= 150


@pytest.mark.parametrize("case", TABLE, ids=str)
async def test_a_fault_is_reported_and_one_clean_run_repairs_it(bridge: SyncApp, case: Case) -> None:
    world = bridge.world
    world.comagic.switches = replace(world.comagic.switches, duplicate_set=case.duplicate_set)
    is_crm = case.method in {ORDERS, CLIENTS, CLIENT, LOGIN, PAYMENTS}
    system: Simulator = world.agbis if is_crm else world.comagic
    fault = Fault(method=case.method, kind=case.kind, times=case.times, skip=case.skip, params=dict(case.params))
    system.fail(fault)
    began = bridge.clock.now()

    answer = await bridge.get("update_db")

    assert any(record.fault for record in system.requests), "the fault has met nothing"
    passed = (bridge.clock.now() - began).total_seconds()
    assert passed >= case.waits
    if case.now in (Now.IS_502, Now.IS_503):
        assert_refused(bridge, answer.status_code, answer.json(), case)
        assert ("Retry-After" in answer.headers) == case.retry_after
    else:
        assert answer.status_code == 200, answer.text
        assert_reported(bridge, answer.json()["journal"], case)

    system.faults.clear()
    bridge.clock.advance(case.next_run)
    await assert_one_clean_run_repairs_it(bridge, before=began)


def assert_refused(bridge: SyncApp, status: int, body: dict[str, Any], case: Case) -> None:
    assert status == (502 if case.now is Now.IS_502 else 503), body
    assert list(body) == ["success", "message"]
    assert case.names in body["message"]
    assert not bridge.world.comagic.history, "nothing was decided, so nothing was written"


def assert_reported(bridge: SyncApp, journal: dict[str, Any], case: Case) -> None:
    failed = {phone: row.get("error") for phone, row in rows(journal).items() if row["result"] == "failed"}
    assert journal["money"]["balanced"] is True
    assert journal["failed"] == len(failed)
    assert journal["complete"] == (journal["deferred"] == 0)
    wrong = differences(bridge.world)
    match case.now:
        case Now.ALL_DONE:
            assert (failed, journal["deferred"], wrong) == ({}, 0, [])
        case Now.FAILS_ALONE:
            assert (list(failed.values()), journal["deferred"]) == ([case.names], 0)
            assert all(problem.startswith(next(iter(failed))) for problem in wrong), wrong
        case Now.DEFERS:
            assert failed == {}
            assert journal["deferred"] > 0
            assert journal["tags_applied"] + journal["tags_removed_updated"] + journal["tags_removed"] > 0
        case Now.SOME_FAIL:
            assert set(failed.values()) == {case.names}
            assert journal["tags_applied"] + journal["tags_removed_updated"] + journal["tags_removed"] > 0
        case Now.TAKES_IT_FOR_DONE | Now.MISSES_ORDERS:
            assert (failed, journal["deferred"]) == ({}, 0)
            assert wrong, "the fault has changed nothing"
        case _:
            raise AssertionError(case.now)


async def assert_one_clean_run_repairs_it(bridge: SyncApp, *, before: datetime) -> None:
    world = bridge.world

    journal = await bridge.run()

    assert differences(world) == []
    assert (journal["failed"], journal["deferred"], journal["complete"]) == (0, 0, True)
    assert sets_in_excess(world) == [], "a sale was set where one stood already"
    assert hasty_logins(world) == []
    history = list(world.comagic.history)
    await bridge.run()
    assert world.comagic.history == history, "a further run has nothing to do"
    assert all(entry.at >= before for entry in history)
