"""What every SalesStore promises about the lease, and about writes that need it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta

import pytest
from msgspec.structs import replace

from crm_bridge.domain.run import LEASE_TTL
from crm_bridge.domain.state import SaleTag, Watermark
from crm_bridge.errors import LeaseLost
from crm_bridge.ports import Changes, SalesStore
from tests.contracts.processes import result_of, start_worker
from tests.support.database_dump import dump
from tests.support.databases import Database
from tests.support.factories import MICROSECOND, NOON, client, event, lease, order, phone
from tests.support.waiting import until

pytestmark = pytest.mark.anyio


class TestLease:
    async def test_a_free_lease_is_taken(self, store: SalesStore) -> None:
        assert await store.take_lease(lease("r1"), now=NOON) is None

    async def test_the_lease_of_another_run_is_returned_and_stays(self, store: SalesStore) -> None:
        current = lease("r1", until=NOON + MICROSECOND)
        await store.take_lease(current, now=NOON)

        assert await store.take_lease(lease("r2"), now=NOON) == current
        assert await store.take_lease(lease("r3"), now=NOON) == current

    async def test_two_runs_of_one_id_do_not_share_a_lease(self, store: SalesStore) -> None:
        """A button of the home page that is pressed twice, on two instances."""
        first = lease("r1", until=NOON + LEASE_TTL)
        await store.take_lease(first, now=NOON)

        second = replace(first, started_at=first.started_at + MICROSECOND)

        assert await store.take_lease(first, now=NOON) is None, "its own again"
        assert await store.take_lease(second, now=NOON) == first

    async def test_the_lease_is_read_even_when_it_has_ended(self, store: SalesStore) -> None:
        assert await store.lease() is None
        ended = lease("r1", until=NOON - timedelta(days=1))
        await store.take_lease(ended, now=NOON - timedelta(days=2))
        assert await store.lease() == ended

        await store.release_lease("r1")
        assert await store.lease() is None

    async def test_an_expired_lease_is_free_at_its_instant(self, store: SalesStore) -> None:
        await store.take_lease(lease("r1", until=NOON), now=NOON - timedelta(minutes=1))

        assert await store.take_lease(lease("r2"), now=NOON - MICROSECOND) is not None
        assert await store.take_lease(lease("r2"), now=NOON) is None
        assert not await store.renew_lease(lease("r1"))

    async def test_a_run_may_take_its_own_lease_again(self, store: SalesStore) -> None:
        await store.take_lease(lease("r1"), now=NOON)
        later = lease("r1", until=NOON + timedelta(minutes=1, seconds=5))

        assert await store.take_lease(later, now=NOON + timedelta(seconds=5)) is None
        assert await store.take_lease(lease("r2"), now=NOON + timedelta(seconds=5)) == later

    async def test_a_renewed_lease_lasts_longer(self, store: SalesStore) -> None:
        await store.take_lease(lease("r1"), now=NOON)
        longer = lease("r1", until=NOON + timedelta(hours=1))

        assert await store.renew_lease(longer)
        assert await store.take_lease(lease("r2"), now=NOON + timedelta(minutes=59)) == longer

    async def test_a_lease_that_is_not_ours_is_not_renewed(self, store: SalesStore) -> None:
        assert not await store.renew_lease(lease("r1"))
        await store.take_lease(lease("r2"), now=NOON)

        assert not await store.renew_lease(lease("r1"))
        assert await store.take_lease(lease("r3"), now=NOON) == lease("r2")

    async def test_a_lease_that_has_ended_is_still_renewed_when_nobody_took_it(self, store: SalesStore) -> None:
        await store.take_lease(lease("r1", until=NOON), now=NOON - timedelta(minutes=1))

        assert await store.renew_lease(lease("r1", until=NOON + timedelta(minutes=2)))

    async def test_a_released_lease_is_free(self, store: SalesStore) -> None:
        await store.take_lease(lease("r1"), now=NOON)

        await store.release_lease("r1")
        await store.release_lease("r1")

        assert await store.take_lease(lease("r2"), now=NOON) is None

    async def test_only_its_holder_releases_a_lease(self, store: SalesStore) -> None:
        await store.take_lease(lease("r1"), now=NOON)

        await store.release_lease("r2")

        assert await store.take_lease(lease("r2"), now=NOON) == lease("r1")

    async def test_a_lease_from_the_future_is_written_down_once(self, store: SalesStore) -> None:
        """A clock that ran ahead once would otherwise keep every run away until the clocks meet."""
        await store.take_lease(lease("r1", until=NOON + timedelta(days=40)), now=NOON + timedelta(days=40) - LEASE_TTL)
        latest = lease("r1", until=NOON + LEASE_TTL)

        assert await store.take_lease(lease("r2"), now=NOON) == latest
        assert await store.lease() == latest
        assert await store.take_lease(lease("r2"), now=NOON + LEASE_TTL / 2) == latest
        assert await store.lease() == latest
        assert await store.take_lease(lease("r2", until=NOON + 2 * LEASE_TTL), now=NOON + LEASE_TTL) is None

    async def test_a_lease_that_ends_after_its_whole_time_is_left_alone(self, store: SalesStore) -> None:
        longest = lease("r1", until=NOON + LEASE_TTL)
        await store.take_lease(longest, now=NOON)

        assert await store.take_lease(lease("r2"), now=NOON) == longest
        assert await store.lease() == longest

    async def test_the_renewal_of_a_lease_that_was_written_down_stands(self, store: SalesStore) -> None:
        """Its holder may be alive, and only its clock or ours be wrong."""
        await store.take_lease(lease("r1", until=NOON + timedelta(days=40)), now=NOON + timedelta(days=40) - LEASE_TTL)
        await store.take_lease(lease("r2"), now=NOON)
        renewed = lease("r1", until=NOON + timedelta(days=40, seconds=5))

        assert await store.renew_lease(renewed)
        assert await store.lease() == renewed
        await store.write([Changes(phones=[phone("1")])], run_id="r1")

    async def test_of_many_who_meet_a_lease_from_the_future_all_are_refused(self, database: Database) -> None:
        stores = [database.sales() for _ in range(5)]
        await stores[0].take_lease(lease("r1", until=NOON + timedelta(days=40)), now=NOON)

        answers = await asyncio.gather(
            *(stores[number % 5].take_lease(lease(f"m{number}"), now=NOON) for number in range(50))
        )

        assert answers == [lease("r1", until=NOON + LEASE_TTL)] * 50

    @pytest.mark.parametrize("before", ["never held", "expired"])
    async def test_of_two_hundred_racers_in_four_processes_one_wins(self, database: Database, before: str) -> None:
        store = database.sales()
        if before == "expired":
            await store.take_lease(lease("old", until=NOON), now=NOON - timedelta(minutes=1))

        workers = [await start_worker("race", database, f"w{number}") for number in range(4)]
        winners = [winner for worker in workers for winner in await result_of(worker)]

        current = await store.take_lease(lease("late"), now=NOON)
        assert current is not None
        assert winners == [current.run_id]

    async def test_of_two_hundred_racers_in_one_process_one_wins(self, database: Database) -> None:
        stores = [database.sales() for _ in range(10)]
        racers = (stores[number % 10].take_lease(lease(f"r{number}"), now=NOON) for number in range(200))

        answers = await asyncio.gather(*racers)

        assert answers.count(None) == 1
        assert {answer.run_id for answer in answers if answer} == {f"r{answers.index(None)}"}


class TestFence:
    async def test_a_run_without_the_lease_writes_nothing(self, store: SalesStore) -> None:
        with pytest.raises(LeaseLost):
            await store.write([Changes(phones=[phone("1")])], run_id="r1")

        assert await dump(store) == {}

    async def test_a_lost_lease_stops_writes(self, store: SalesStore) -> None:
        await store.take_lease(lease("r1", until=NOON), now=NOON - timedelta(minutes=1))
        await store.write([Changes(phones=[phone("1")])], run_id="r1")
        await store.take_lease(lease("r2"), now=NOON)
        before = await dump(store)

        with pytest.raises(LeaseLost):
            await store.write([Changes(phones=[phone("2")], deleted_phones=["1"])], run_id="r1")

        assert await dump(store) == before

    async def test_a_lease_lost_midway_keeps_what_was_written_before(self, database: Database) -> None:
        ours, theirs = database.sales(), database.sales()
        await ours.take_lease(lease("r1", until=NOON), now=NOON - timedelta(minutes=1))
        loop = asyncio.get_running_loop()

        def changes() -> Iterator[Changes]:
            for number in range(2000):
                if number == 1000:
                    asyncio.run_coroutine_threadsafe(theirs.take_lease(lease("r2"), now=NOON), loop)
                yield Changes(phones=[phone(f"{number:04}")], clients=[client(f"{number:04}")])

        with pytest.raises(LeaseLost):
            await ours.write(changes(), run_id="r1")

        found = sorted([found.phone async for page in ours.all_phones() for found in page])
        assert 0 < len(found) < 2000
        assert found == [f"{number:04}" for number in range(len(found))]
        assert len(await ours.clients(found)) == len(found)

    async def test_all_kinds_of_changes_are_written_together(self, store: SalesStore) -> None:
        await store.take_lease(lease("r1"), now=NOON)
        mark = Watermark(read_until=NOON, refreshed_at=None)
        changes = Changes(
            orders=[order("o1")],
            phones=[phone("1"), phone("2")],
            deleted_phones=["2", "3"],
            clients=[client("c1")],
            events=[event("1", "r1")],
            state=[mark, SaleTag(tag_id=5)],
        )

        await store.write([changes], run_id="r1")

        assert await store.orders(["o1"]) == {"o1": order("o1")}
        assert await store.phones(["1", "2", "3"]) == {"1": phone("1")}
        assert await store.clients(["c1"]) == {"c1": client("c1")}
        assert await store.events("1") == [event("1", "r1")]
        assert (await store.state(Watermark), await store.state(SaleTag)) == (mark, SaleTag(tag_id=5))

    async def test_changes_larger_than_a_commit_are_written_whole(self, store: SalesStore) -> None:
        await store.take_lease(lease("r1"), now=NOON)
        numbers = [f"{number:04}" for number in range(1500)]

        await store.write([Changes(clients=[client(number) for number in numbers])], run_id="r1")

        assert len(await store.clients(numbers)) == 1500

    async def test_many_large_changes_are_written(self, store: SalesStore) -> None:
        """Five MB in two hundred writes: a commit is limited by its size as well."""
        await store.take_lease(lease("r1"), now=NOON)
        comment = "Химчистка " * 1300
        changes = [Changes(phones=[phone(f"{number:03}", comment=comment)]) for number in range(200)]

        await store.write(changes, run_id="r1")

        assert [len(page) async for page in store.all_phones()] == [200]

    async def test_the_later_of_two_changes_of_one_document_wins(self, store: SalesStore) -> None:
        await store.take_lease(lease("r1"), now=NOON)
        first, second = phone("1", amount_kopecks=1), phone("1", amount_kopecks=2)

        await store.write(
            [Changes(phones=[first, phone("2")]), Changes(phones=[second]), Changes(deleted_phones=["2"])], run_id="r1"
        )
        await store.write([Changes(deleted_phones=["1"]), Changes(phones=[second])], run_id="r1")

        assert await store.phones(["1", "2"]) == {"1": second}

    async def test_changes_that_cannot_be_stored_are_not_written_at_all(self, store: SalesStore) -> None:
        await store.take_lease(lease("r1"), now=NOON)
        before = await dump(store)
        naive = replace(client("c1"), seen_at=NOON.replace(tzinfo=None))

        with pytest.raises(ValueError, match="time zone"):
            await store.write([Changes(phones=[phone("1")], clients=[naive])], run_id="r1")
        with pytest.raises(ValueError, match="1048576 are possible"):
            await store.write(
                [Changes(clients=[client("c1")], phones=[phone("1", comment="Ж" * 530_000)])], run_id="r1"
            )

        assert await dump(store) == before

    async def test_a_killed_process_leaves_whole_changes_in_their_order(self, database: Database) -> None:
        store = database.sales()
        await store.take_lease(lease("r1"), now=NOON)
        worker = await start_worker("write", database, "r1")
        assert worker.stdout is not None
        assert await worker.stdout.readline() == b"started\n"

        async def has_written() -> bool:
            return await store.state(Watermark) is not None

        await until(has_written, "the worker has committed something")
        await asyncio.sleep(0.7)
        worker.kill()
        await worker.wait()

        while True:
            mark = await store.state(Watermark)
            assert mark is not None
            assert mark.read_until is not None
            count = int(mark.read_until.timestamp()) + 1
            asked = [f"{number:09}" for number in range(count + 1000)]
            found = [sorted(await read(asked)) for read in (store.orders, store.phones, store.clients)]
            if await store.state(Watermark) == mark:
                break  # otherwise its last commit was still under way

        assert found == [[f"{number:09}" for number in range(count)]] * 3

    async def test_writes_and_renewals_at_once_both_succeed(self, store: SalesStore) -> None:
        await store.take_lease(lease("r1"), now=NOON)
        numbers = [f"{number:04}" for number in range(1200)]

        _, *renewed = await asyncio.gather(
            store.write([Changes(phones=[phone(number)]) for number in numbers], run_id="r1"),
            *(store.renew_lease(lease("r1", until=NOON + timedelta(minutes=n))) for n in range(2, 12)),
        )

        assert all(renewed)
        assert len(await store.phones(numbers)) == 1200
