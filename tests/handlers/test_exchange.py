"""The exchange's answers, one promise after the other."""

import asyncio
import hmac
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from crm_bridge import logs
from crm_bridge.domain.card import Card
from crm_bridge.errors import StoreUnavailable
from tests.handlers.exchange_harness import (
    DOCUMENTED_AT,
    JOHN,
    Answer,
    AsgiApp,
    MemoryCards,
    app,
    ask,
    get,
    post,
    services,
)
from tests.sandbox.clock import ManualClock, SystemClock
from tests.support.waiting import until

pytestmark = pytest.mark.anyio
KEY = "k3y-of-the-exchange"
BAD_ID = "id: must be 1 to 20 of A-Z a-z 0-9 _"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(DOCUMENTED_AT)


@pytest.fixture
def cards() -> MemoryCards:
    return MemoryCards()


@pytest.fixture
def serve(cards: MemoryCards, clock: ManualClock) -> AsgiApp:
    return app(services(cards, clock))


# The documented example


async def test_the_documented_example(serve: AsgiApp) -> None:
    posted = await ask(
        serve,
        "POST",
        "/api/test_id/",
        headers=[(b"content-type", b"application/json; charset=utf-8")],
        body=b'{\n  "name": "John Doe",\n  "phone": "9156685347",\n  "arpu": "4570",\n  "soc_tariff": "TESTSOC"\n}',
    )
    got = await ask(serve, "GET", "/api/test_id/")

    assert posted.status == 200
    assert posted.body == b'{"result": "OK"}'
    assert posted.headers["content-length"] == "16"
    assert got.status == 200
    assert got.json() == {
        "date": "2017-04-03 00:59:53.667318",
        "id": "test_id",
        "arpu": "4570",
        "name": "John Doe",
        "soc_tariff": "TESTSOC",
        "phone": "9156685347",
    }
    assert list(got.json()) == ["date", "id", "arpu", "name", "soc_tariff", "phone"]
    assert got.headers["content-length"] == "139"
    for answer in (posted, got):
        assert answer.headers["content-type"] == "application/json; charset=utf-8"


async def test_every_value_is_a_string(serve: AsgiApp) -> None:
    await post(serve, "a1", JOHN | {"arpu": 4570})

    assert all(isinstance(value, str) for value in (await get(serve, "a1")).json().values())


async def test_the_date_always_has_six_decimals(serve: AsgiApp, clock: ManualClock) -> None:
    clock.set(datetime(2026, 1, 31, 21, 0, 0, tzinfo=UTC))
    await post(serve, "a1", JOHN)

    assert (await get(serve, "a1")).json()["date"] == "2026-02-01 00:00:00.000000"


async def test_the_date_is_of_the_post_in_the_time_zone(cards: MemoryCards, clock: ManualClock) -> None:
    serve = app(services(cards, clock, TIME_ZONE="Asia/Vladivostok"))
    await post(serve, "a1", JOHN)
    clock.advance(timedelta(minutes=30))

    assert (await get(serve, "a1")).json()["date"] == "2017-04-03 07:59:53.667318"


async def test_cyrillic_goes_through_as_utf_8(serve: AsgiApp) -> None:
    await post(serve, "a1", JOHN | {"name": "Ёлкина Жанна", "soc_tariff": "ТАРИФ"})

    got = await get(serve, "a1")

    assert got.json()["name"] == "Ёлкина Жанна"
    assert "Ёлкина Жанна".encode() in got.body


async def test_a_slash_at_the_end_is_allowed(serve: AsgiApp) -> None:
    await post(serve, "a1/", JOHN)

    assert (await get(serve, "a1")).body == (await get(serve, "a1/")).body


async def test_ids_are_case_sensitive_and_reserved_words_are_none(serve: AsgiApp) -> None:
    for card_id in ("abc", "ABC", "__all__", "_", "A" * 20):
        assert (await post(serve, card_id, JOHN | {"name": card_id})).status == 200
    for card_id in ("abc", "ABC", "__all__", "_", "A" * 20):
        assert (await get(serve, card_id)).json()["name"] == card_id


async def test_the_content_type_does_not_matter(serve: AsgiApp) -> None:
    """`curl -d` calls JSON a form, and the first server did not mind."""
    headers = [(b"content-type", b"application/x-www-form-urlencoded")]

    answer = await ask(serve, "POST", "/api/a1", headers=headers, body=json.dumps(JOHN).encode())

    assert answer.body == b'{"result": "OK"}'


async def test_a_byte_order_mark_does_not_matter(serve: AsgiApp) -> None:
    answer = await ask(serve, "POST", "/api/a1", body=json.dumps(JOHN).encode("utf-8-sig"))

    assert answer.status == 200


# The hour


async def test_readable_until_the_hour_is_over(serve: AsgiApp, clock: ManualClock) -> None:
    await post(serve, "a1", JOHN)
    clock.advance(timedelta(minutes=59, seconds=59))
    assert (await get(serve, "a1")).status == 200
    clock.advance(timedelta(microseconds=999_999))
    assert (await get(serve, "a1")).status == 200

    clock.advance(timedelta(microseconds=1))
    answer = await get(serve, "a1")

    assert (answer.status, answer.body) == (400, b'{"Error": "No data for id = a1"}')


async def test_the_time_of_cards_can_be_set(cards: MemoryCards, clock: ManualClock) -> None:
    serve = app(services(cards, clock, EXCHANGE_TTL_SECONDS="10"))
    await post(serve, "a1", JOHN)
    clock.advance(timedelta(seconds=9))
    assert (await get(serve, "a1")).status == 200
    clock.advance(timedelta(seconds=1))
    assert (await get(serve, "a1")).status == 400


async def test_a_second_post_starts_the_hour_again(serve: AsgiApp, clock: ManualClock) -> None:
    await post(serve, "a1", JOHN)
    clock.advance(timedelta(minutes=59))
    await post(serve, "a1", JOHN | {"name": "Jane"})
    clock.advance(timedelta(minutes=59))

    assert (await get(serve, "a1")).json()["name"] == "Jane"


async def test_a_refused_post_leaves_the_card_as_it_was(serve: AsgiApp) -> None:
    await post(serve, "a1", JOHN)
    await post(serve, "a1", JOHN | {"phone": "1"})

    assert (await get(serve, "a1")).json()["phone"] == JOHN["phone"]


# Refusals


@pytest.mark.parametrize(
    ("form", "why"),
    [
        ({}, "missing fields: name, phone, arpu, soc_tariff"),
        ({"arpu": 1, "soc_tariff": "A"}, "missing fields: name, phone"),
        (JOHN | {"phone": None, "name": ""}, "missing fields: name, phone"),
        (JOHN | {"phone": "123"}, "phone: must be a string of 10 digits"),
        (JOHN | {"arpu": 45.7}, "arpu: must be whole kopecks, a number or a string of 1 to 18 digits"),
        (JOHN | {"name": "x" * 51}, "name: must be at most 50 characters"),
        (JOHN | {"soc_tariff": ["A"]}, "soc_tariff: must be a string"),
        (JOHN | {"name": "\ud800"}, "name: must not contain control characters or lone surrogates"),
        ([JOHN], "must be a JSON object in UTF-8"),
        ("John", "must be a JSON object in UTF-8"),
        (None, "must be a JSON object in UTF-8"),
    ],
)
async def test_a_form_is_refused_with_the_reason(serve: AsgiApp, form: object, why: str) -> None:
    answer = await post(serve, "a1", form)

    assert (answer.status, answer.json()) == (400, {"result": f"Invalid form submission, {why}"})


WHOLE = json.dumps(JOHN).encode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        WHOLE[:-1],
        WHOLE + WHOLE,
        b"\xff\xfe",
        json.dumps(JOHN | {"name": "\u0416"}, ensure_ascii=False).encode("cp1251"),
        json.dumps(JOHN).encode("utf-16"),
        json.dumps(JOHN).encode("utf-32-le"),
        b'{"name": "\xed\xa0\x80", ' + WHOLE[1:],
        WHOLE[:-1] + b', "x": NaN}',
        WHOLE[:-1] + b', "x": -Infinity}',
        WHOLE[:-1] + b', "x": ' + b"[" * 3000,
        b"[" * 4096,
        b'{"a":' * 800,
        WHOLE.replace(b"John", b"Jo\nn"),
        b"name=John+Doe&phone=9156685347&arpu=4570&soc_tariff=TESTSOC",
    ],
)
async def test_what_is_no_json_object_is_refused(serve: AsgiApp, cards: MemoryCards, body: bytes) -> None:
    answer = await ask(serve, "POST", "/api/a1", body=body)

    assert answer.status == 400
    assert answer.json() == {"result": "Invalid form submission, must be a JSON object in UTF-8"}
    assert not cards.cards


async def test_of_a_repeated_key_the_last_counts(serve: AsgiApp) -> None:
    await ask(serve, "POST", "/api/a1", body=b'{"name": "First", ' + WHOLE[1:])

    assert (await get(serve, "a1")).json()["name"] == "John Doe"


async def test_a_huge_number_is_refused(serve: AsgiApp) -> None:
    answer = await ask(serve, "POST", "/api/a1", body=WHOLE.replace(b'"4570"', b"9" * 3900))

    assert answer.status == 400
    assert answer.json()["result"].startswith("Invalid form submission, arpu: ")


def padded(size: int) -> bytes:
    return WHOLE + b" " * (size - len(WHOLE))


async def test_four_kibibytes_are_taken(serve: AsgiApp) -> None:
    assert (await ask(serve, "POST", "/api/a1", body=padded(4096))).status == 200


@pytest.mark.parametrize("size", [4097, 65_536])
async def test_more_is_refused(serve: AsgiApp, cards: MemoryCards, size: int) -> None:
    answer = await ask(serve, "POST", "/api/a1", body=padded(size))

    assert answer.status == 413
    assert answer.json() == {"result": "Invalid form submission, must be at most 4096 bytes"}
    assert not cards.cards


@pytest.mark.parametrize("declared", [None, b"10", b"4096", b"-1", b"many", b"9" * 5000])
async def test_reading_stops_at_the_limit_whatever_the_length_is_said_to_be(
    serve: AsgiApp, declared: bytes | None
) -> None:
    headers = [(b"content-length", declared)] if declared else []

    answer = await ask(serve, "POST", "/api/a1", headers=headers, body=[b" "] * 100_000)

    assert answer.status == 413
    assert answer.bytes_taken == 4097


async def test_a_body_in_pieces_is_put_together(serve: AsgiApp) -> None:
    pieces = [WHOLE[at : at + 1] for at in range(len(WHOLE))]

    assert (await ask(serve, "POST", "/api/a1", body=pieces)).status == 200


async def test_a_body_that_is_cut_off_stores_nothing(serve: AsgiApp, cards: MemoryCards) -> None:
    await ask(serve, "POST", "/api/a1", body=[WHOLE, None])

    assert not cards.cards


BAD_SEGMENTS = [
    "a%2Fb",
    "a%2fb",
    "%2e%2e",
    "..",
    ".",
    "a.b",
    "%00",
    "a%00",
    "a%0A",
    "%0Aa",
    "%61bc",
    "a%",
    "%zz",
    "%EF%BC%91",
    "%D9%A1",
    "%D0%B8%D0%B4",
    "%FF",
    "a" * 21,
    "a" * 5000,
    "a-b",
    "a+b",
    "a;b",
    "<script>",
    "%3Cscript%3E",
    "a b",
]


@pytest.mark.parametrize("segment", BAD_SEGMENTS)
@pytest.mark.parametrize("slash", ["", "/"])
async def test_a_bad_id_is_refused_in_the_form_of_the_verb(serve: AsgiApp, segment: str, slash: str) -> None:
    posted = await ask(serve, "POST", f"/api/{segment}{slash}", body=WHOLE)
    got = await ask(serve, "GET", f"/api/{segment}{slash}")

    assert (posted.status, posted.json()) == (400, {"result": f"Invalid form submission, {BAD_ID}"})
    assert (got.status, got.json()) == (400, {"Error": BAD_ID})


@pytest.mark.parametrize("target", [b"/api/\xff", b"/api/\xef\xbc\x91", b"/api/\x00", b"/api/a\n"])
async def test_raw_bytes_are_no_id(serve: AsgiApp, target: bytes) -> None:
    assert (await ask(serve, "GET", target)).json() == {"Error": BAD_ID}


@pytest.mark.parametrize(
    "target",
    ["/", "/api", "/api/", "/api//", "/api//a1", "/api/a1//", "/api/a/b", "/API/a1", "//api/a1", "/v1/api/a1", "*", ""],
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "OPTIONS"])
async def test_another_path_is_not_found(serve: AsgiApp, target: str, method: str) -> None:
    answer = await ask(serve, method, target, body=WHOLE)

    assert (answer.status, answer.json()) == (404, {"Error": "Not found"})


async def test_a_server_need_not_give_the_raw_path(serve: AsgiApp) -> None:
    async def without(scope: dict[str, object], receive: object, send: object) -> None:
        del scope["raw_path"]
        await serve(scope, receive, send)  # type: ignore[arg-type]

    assert (await post(without, "a1", JOHN)).status == 200  # type: ignore[arg-type]
    assert (await get(without, "a1")).status == 200  # type: ignore[arg-type]
    assert (await get(without, "%EF%BC%91")).json() == {"Error": BAD_ID}  # type: ignore[arg-type]


# Verbs


@pytest.mark.parametrize("method", ["PUT", "PATCH", "TRACE", "CONNECT", "get", "BREW"])
async def test_another_verb_is_not_allowed(serve: AsgiApp, method: str) -> None:
    answer = await ask(serve, method, "/api/a1", body=WHOLE)

    assert (answer.status, answer.json()) == (405, {"Error": "Method not allowed"})
    assert answer.headers["allow"] == "GET, HEAD, POST, DELETE, OPTIONS"


async def test_options_names_the_verbs(serve: AsgiApp) -> None:
    answer = await ask(serve, "OPTIONS", "/api/a1")

    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["allow"] == "GET, HEAD, POST, DELETE, OPTIONS"
    assert "content-length" not in answer.headers


# Deleting


async def test_a_deleted_card_is_gone_and_deleting_it_again_is_no_error(serve: AsgiApp) -> None:
    await post(serve, "a1", JOHN)
    await post(serve, "a2", JOHN)

    first = await ask(serve, "DELETE", "/api/a1")
    again = await ask(serve, "DELETE", "/api/a1/")

    assert [(each.status, each.body) for each in (first, again)] == [(200, b'{"result": "OK"}')] * 2
    assert (await get(serve, "a1")).json() == {"Error": "No data for id = a1"}
    assert (await get(serve, "a2")).status == 200


@pytest.mark.parametrize("card_id", ["a.b", "a" * 21, "%61"])
async def test_a_bad_id_to_delete_is_refused_as_by_get(serve: AsgiApp, card_id: str) -> None:
    answer = await ask(serve, "DELETE", f"/api/{card_id}")

    assert (answer.status, answer.json()) == (400, {"Error": BAD_ID})


async def test_deleting_needs_the_key(locked: AsgiApp) -> None:
    await ask(locked, "POST", "/api/a1", body=WHOLE, headers=key_in("X-API-Key", KEY))

    refused = await ask(locked, "DELETE", "/api/a1")

    assert (refused.status, refused.json()) == (401, {"Error": "Unauthorized"})
    assert (await ask(locked, "GET", "/api/a1", headers=key_in("X-API-Key", KEY))).status == 200


# Health


@pytest.mark.parametrize("target", ["/check_health", "/check_health/", "/check_health?x=1"])
async def test_health_is_answered_without_a_key(locked: AsgiApp, target: str) -> None:
    answer = await ask(locked, "GET", target)

    assert (answer.status, answer.json()) == (200, {"status": "ok"})
    assert answer.headers["cache-control"] == "no-store"


async def test_health_is_503_when_the_database_cannot_be_used() -> None:
    class NoCards(MemoryCards):
        async def get(self, card_id: str, *, now: datetime) -> Card | None:
            raise StoreUnavailable("/data/cards.db", "it is damaged")

    answer = await ask(app(services(NoCards())), "GET", "/check_health")

    assert (answer.status, answer.json()) == (503, {"Error": "The database cannot be used: it is damaged"})


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_health_is_only_read(serve: AsgiApp, method: str) -> None:
    answer = await ask(serve, method, "/check_health")

    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS")


@pytest.mark.parametrize("target", ["/api/a1", "/api/nobody", "/api/a.b", "/api/a1?wait=x", "/"])
async def test_head_is_get_without_the_body(serve: AsgiApp, target: str) -> None:
    await post(serve, "a1", JOHN)

    got = await ask(serve, "GET", target)
    head = await ask(serve, "HEAD", target)

    assert head.body == b""
    assert (head.status, head.headers) == (got.status, got.headers)


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("POST", "/api/a1"),
        ("GET", "/api/a1"),
        ("GET", "/api/no"),
        ("GET", "/api/."),
        ("PUT", "/api/a1"),
        ("GET", "/"),
        ("OPTIONS", "/api/a1"),
        ("HEAD", "/api/a1"),
    ],
)
async def test_nothing_is_kept_by_caches(serve: AsgiApp, method: str, target: str) -> None:
    await post(serve, "a1", JOHN)

    assert (await ask(serve, method, target, body=WHOLE)).headers["cache-control"] == "no-store"


# wait


async def test_a_waiting_reader_gets_the_card_when_it_comes(serve: AsgiApp, cards: MemoryCards) -> None:
    waiting = asyncio.create_task(ask(serve, "GET", "/api/a1?wait=25"))
    await until(lambda: cards.waiting == 1, "the reader waits")
    await post(serve, "a1", JOHN)

    answer = await asyncio.wait_for(waiting, 15)

    assert answer.json()["name"] == "John Doe"


@pytest.mark.parametrize("wait", ["0", "0.0", "00", "0.05", "0.000001"])
async def test_a_wait_ends_without_a_card(serve: AsgiApp, wait: str) -> None:
    answer = await asyncio.wait_for(ask(serve, "GET", f"/api/a1?wait={wait}"), 15)

    assert (answer.status, answer.json()) == (400, {"Error": "No data for id = a1"})


async def test_a_card_that_is_there_needs_no_wait(serve: AsgiApp) -> None:
    await post(serve, "a1", JOHN)

    for wait in ("20", "22.5", "25", "25.000"):
        assert (await asyncio.wait_for(ask(serve, "GET", f"/api/a1?wait={wait}"), 15)).status == 200


@pytest.mark.parametrize(
    "query",
    [
        "wait",
        "wait=",
        "wait=x",
        "wait=-1",
        "wait=25.1",
        "wait=26",
        "wait=1e1",
        "wait=nan",
        "wait=inf",
        "wait=+5",
        "wait=%EF%BC%95",
        "wait=5s",
        "wait=1&wait=2",
        "wait=5%0A",
        "wait=" + "9" * 5000,
        "wait=.5",
        "wait=5.",
        "wait= 5",
    ],
)
async def test_a_bad_wait_is_named(serve: AsgiApp, query: str) -> None:
    answer = await ask(serve, "GET", f"/api/a1?{query}")

    assert (answer.status, answer.json()) == (400, {"Error": "wait: must be a number of seconds from 0 to 25"})


@pytest.mark.parametrize("query", ["_=1491166793", "Wait=x", "a=%FF%00&&=&b", "&", "?"])
async def test_unknown_parameters_are_ignored(serve: AsgiApp, query: str) -> None:
    await ask(serve, "POST", f"/api/a1?{query}", body=WHOLE)

    assert (await ask(serve, "GET", f"/api/a1?{query}")).status == 200


async def test_a_wait_ends_when_the_client_goes(serve: AsgiApp, cards: MemoryCards) -> None:
    """functions-framework lets the handler of a gone client run on."""
    gone = asyncio.Event()
    waiting = asyncio.create_task(ask(serve, "GET", "/api/a1?wait=25", gone=gone))
    await until(lambda: cards.waiting == 1, "the reader waits")

    gone.set()
    await asyncio.wait_for(waiting, 15)

    assert cards.waiting == 0


async def test_a_wait_ends_when_the_server_stops(serve: AsgiApp, cards: MemoryCards) -> None:
    waiting = asyncio.create_task(ask(serve, "GET", "/api/a1?wait=25"))
    await until(lambda: cards.waiting == 1, "the reader waits")
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting

    assert cards.waiting == 0
    assert len(asyncio.all_tasks()) <= 2  # this test's, and the runner's


async def test_what_a_get_brings_as_a_body_does_not_end_its_wait(serve: AsgiApp, cards: MemoryCards) -> None:
    waiting = asyncio.create_task(ask(serve, "GET", "/api/a1?wait=25", body=[b"x" * 1000] * 10))
    await until(lambda: cards.waiting == 1, "the reader waits")
    await post(serve, "a1", JOHN)

    assert (await asyncio.wait_for(waiting, 15)).status == 200


async def test_a_failing_store_is_not_an_empty_one() -> None:
    class Broken(MemoryCards):
        async def get(self, card_id: str, *, now: datetime) -> Card | None:
            raise OSError("disk")

    serve = app(services(Broken()))

    for target in ("/api/a1", "/api/a1?wait=1"):
        answer = await ask(serve, "GET", target)
        assert (answer.status, answer.json()) == (500, {"Error": "Internal error"})


@pytest.mark.parametrize("retry_after", [None, 5])
@pytest.mark.usefixtures("every_line")
async def test_a_database_that_cannot_be_used_is_a_503_that_says_why_and_not_where(
    retry_after: int | None, capfd: pytest.CaptureFixture[str]
) -> None:
    class Down(MemoryCards):
        async def get(self, card_id: str, *, now: datetime) -> Card | None:
            raise StoreUnavailable("/data/cards.db", "the disk is full", retry_after=retry_after)

        async def put(self, card: Card) -> None:
            await self.get("", now=card.posted_at)

    serve = app(services(Down()))

    for method, target in (("GET", "/api/a1"), ("GET", "/api/a1?wait=1"), ("POST", "/api/a1")):
        answer = await ask(serve, method, target, body=WHOLE)
        assert (answer.status, answer.json()) == (503, {"Error": "The database cannot be used: the disk is full"})
        assert answer.headers.get("retry-after") == (None if retry_after is None else str(retry_after))
        assert answer.headers["cache-control"] == "no-store"
        logged = [line for line in capfd.readouterr().out.splitlines() if '"request_failed"' in line]
        assert len(logged) == 1
        assert "STORE_URL: the database /data/cards.db cannot be used" in logged[0]
    head = await ask(serve, "HEAD", "/api/a1")
    assert (head.status, head.body) == (503, b"")


# The key


@pytest.fixture
def locked(cards: MemoryCards, clock: ManualClock) -> AsgiApp:
    return app(services(cards, clock, EXCHANGE_API_KEY=KEY))


def key_in(header: str, value: str) -> list[tuple[bytes, bytes]]:
    return [(header.lower().encode(), value.encode())]


@pytest.mark.parametrize(
    "headers",
    [
        key_in("X-API-Key", KEY),
        key_in("Authorization", f"Bearer {KEY}"),
        key_in("Authorization", f"bearer {KEY}"),
        key_in("Authorization", "Bearer a-token-of-google") + key_in("X-API-Key", KEY),
    ],
)
async def test_the_key_opens_both_verbs(locked: AsgiApp, headers: list[tuple[bytes, bytes]]) -> None:
    assert (await ask(locked, "POST", "/api/a1", headers=headers, body=WHOLE)).status == 200
    assert (await ask(locked, "GET", "/api/a1", headers=headers)).status == 200


WRONG_KEYS = [
    [],
    key_in("X-API-Key", ""),
    key_in("X-API-Key", KEY[:-1]),
    key_in("X-API-Key", KEY + "x"),
    key_in("X-API-Key", KEY.upper()),
    key_in("X-API-Key", "ключ"),
    [(b"x-api-key", b"\xff\x00")],
    key_in("X-API-Key", f"Bearer {KEY}"),
    key_in("Authorization", KEY),
    key_in("Authorization", f"Basic {KEY}"),
    key_in("Authorization", "Bearer"),
    key_in("Authorization", f"Bearer{KEY}"),
    key_in("Cookie", KEY),
]


@pytest.mark.parametrize("headers", WRONG_KEYS)
async def test_without_the_key_every_answer_is_the_same(
    locked: AsgiApp, cards: MemoryCards, headers: list[tuple[bytes, bytes]]
) -> None:
    """An answer does not show whether an id exists, nor whether it is one."""
    right = key_in("X-API-Key", KEY)
    await ask(locked, "POST", "/api/a1", headers=right, body=WHOLE)
    before = dict(cards.cards)

    answers: list[Answer] = []
    for target in ("/api/a1", "/api/nobody", "/api/a.b", "/api/a1?wait=x", "/api/nobody?wait=20"):
        for method, body in (("GET", b""), ("POST", WHOLE), ("POST", b"{"), ("POST", b" " * 5000)):
            answers.append(await ask(locked, method, target, headers=headers, body=body))

    for answer in answers:
        assert (answer.status, answer.body) == (401, b'{"Error": "Unauthorized"}')
        assert answer.headers == answers[0].headers
        assert answer.bytes_taken == 0
    assert cards.cards == before


async def test_a_key_of_other_letters_works(cards: MemoryCards) -> None:
    serve = app(services(cards, EXCHANGE_API_KEY="ключ-обмена"))

    assert (await ask(serve, "GET", "/api/a1", headers=key_in("X-API-Key", "ключ-обмена"))).status == 400


async def test_the_key_is_compared_in_constant_time(locked: AsgiApp, monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []
    really = hmac.compare_digest

    def compare(a: bytes, b: bytes) -> bool:
        compared.append((a, b))
        return really(a, b)

    monkeypatch.setattr(hmac, "compare_digest", compare)
    await ask(locked, "GET", "/api/a1", headers=key_in("X-API-Key", "wrong"))

    assert compared == [(b"wrong", KEY.encode())]


async def test_without_a_key_set_none_is_asked_for(serve: AsgiApp) -> None:
    assert (await ask(serve, "POST", "/api/a1", headers=key_in("X-API-Key", "any"), body=WHOLE)).status == 200


# Logs


@pytest.fixture
def every_line() -> Iterator[None]:
    """Log everything as the function does, and leave the loggers as they were."""
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    logs.set_up("DEBUG")
    yield
    root.handlers[:], level = before
    root.setLevel(level)


@pytest.mark.usefixtures("every_line")
async def test_neither_key_nor_card_nor_id_reaches_a_log(locked: AsgiApp, capfd: pytest.CaptureFixture[str]) -> None:
    right = key_in("X-API-Key", KEY)
    secret_id = "id_79261234567"
    requests: list[tuple[str, str, bytes, list[tuple[bytes, bytes]]]] = [
        ("POST", f"/api/{secret_id}", WHOLE, right),
        ("GET", f"/api/{secret_id}", b"", right),
        ("GET", f"/api/{secret_id}?wait=1", b"", right),
        ("HEAD", f"/api/{secret_id}", b"", right),
        ("POST", f"/api/{secret_id}", WHOLE.replace(b"9156685347", b"91566853470"), right),
        ("POST", f"/api/{secret_id}", WHOLE[:-1], right),
        ("POST", f"/api/{secret_id}", padded(5000), right),
        ("POST", f"/api/{secret_id}", WHOLE, key_in("X-API-Key", KEY + "x")),
        ("GET", f"/api/{secret_id}", b"", []),
        ("PUT", f"/api/{secret_id}", WHOLE, right),
    ]
    for method, target, body, headers in requests:
        await ask(locked, method, target, body=body, headers=headers)

    out, err = capfd.readouterr()
    lines = [json.loads(line) for line in out.splitlines() if "crm_bridge" in line]

    assert [(line["message"], line["verb"], line["status"]) for line in lines] == [
        ("exchange_answered", method, status)
        for (method, *_), status in zip(requests, (200, 200, 200, 200, 400, 400, 413, 401, 401, 405), strict=True)
    ]
    for word in (*JOHN.values(), KEY, secret_id, "79261234567"):
        assert word not in out + err


# Through an ordinary client


async def test_two_posts_at_once_leave_one_card_whole(serve: AsgiApp) -> None:
    forms = [{"name": c * 50, "phone": c * 10, "arpu": c * 18, "soc_tariff": c * 10} for c in "123456789"]

    await asyncio.gather(*(post(serve, "a1", form) for form in forms))
    got = (await get(serve, "a1")).json()

    assert {field: got[field] for field in JOHN} in forms


async def test_an_ordinary_client_gets_along() -> None:
    cards = MemoryCards()
    serve = app(services(cards, SystemClock()))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(serve), base_url="http://exchange") as client:
        waiting = asyncio.create_task(client.get("/api/test_id", params={"wait": 25}))
        await until(lambda: cards.waiting == 1, "the reader waits")
        assert (await client.post("/api/test_id/", json=JOHN)).json() == {"result": "OK"}
        assert (await waiting).json() == (await client.get("/api/test_id")).json()
        assert (await client.get("/api/test id")).status_code == 400
