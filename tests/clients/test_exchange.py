"""One HTTP exchange: what an answer may cost in memory and time, and when the other side wants to be asked again."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import httpx
import pytest

from crm_bridge.clients import exchange as module
from crm_bridge.clients.exchange import HttpAnswer, HttpRequest, exchange
from crm_bridge.clients.retry import MalformedResponse
from crm_bridge.errors import RemoteProtocolError, RemoteTimeout, RunStopped
from tests.clients.harness import Answers, Clock, Time
from tests.support.factories import NOON

pytestmark = pytest.mark.anyio

MIB = 2**20
BODY = b'{"error":0}'


def raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


class Body(httpx.AsyncByteStream):
    """A body in pieces; before each of them time passes."""

    def __init__(self, pieces: list[bytes], wait: Callable[[], object] = lambda: None) -> None:
        self._pieces = pieces
        self._wait = wait

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            waiting = self._wait()
            if asyncio.iscoroutine(waiting):
                await waiting
            yield piece


async def ask(
    body: httpx.AsyncByteStream | bytes = BODY,
    *,
    status: int = 200,
    time: Time | None = None,
    **headers: str,
) -> HttpAnswer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    stream = Body([body]) if isinstance(body, bytes) else body

    class Network(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            assert request.headers["accept-encoding"] == "gzip, deflate"
            return httpx.Response(status, headers=named, stream=stream)

    asked = HttpRequest(system="Agbis", call="X", url="http://agbis.test/", content=None, headers={})
    async with httpx.AsyncClient(transport=Network()) as http:
        return await exchange(http, asked, time or Time(Clock()))


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [("gzip", gzip.compress), ("x-gzip", gzip.compress), ("deflate", zlib.compress), ("deflate", raw_deflate)],
)
async def test_a_compressed_answer_is_read_in_every_form(encoding: str, pack: Callable[[bytes], bytes]) -> None:
    large = b'{"a":"' + b"x" * MIB + b'"}'
    packed = pack(large)

    assert (await ask(pack(BODY), content_encoding=encoding)).content == BODY
    assert (await ask(Body([packed[:7], packed[7:99], packed[99:]]), content_encoding=encoding)).content == large


@pytest.mark.parametrize(
    "packed", [b"no gzip", gzip.compress(BODY, mtime=0)[:-9], gzip.compress(b"x" * 2000, mtime=0)[:20]]
)
async def test_an_answer_that_cannot_be_decompressed_is_malformed(packed: bytes) -> None:
    with pytest.raises(MalformedResponse, match="decompressed"):
        await ask(packed, content_encoding="gzip")


async def test_an_encoding_within_another_is_malformed() -> None:
    with pytest.raises(MalformedResponse, match="not asked for"):
        await ask(gzip.compress(gzip.compress(BODY)), content_encoding="gzip, gzip")


async def test_a_gzip_bomb_is_never_inflated_whole() -> None:
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(b" " * MIB) for _ in range(300)) + packer.flush()
    assert len(bomb) < MIB
    tracemalloc.start()
    try:
        with pytest.raises(RemoteProtocolError, match="more than 64 MiB"):
            await ask(bomb, content_encoding="gzip")
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert most < 80 * MIB


async def test_an_answer_of_64_mib_is_read_and_one_of_a_byte_more_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", MIB)

    assert len((await ask(b" " * MIB)).content) == MIB
    with pytest.raises(RemoteProtocolError, match="more than 1 MiB"):
        await ask(b" " * (MIB + 1))


@pytest.mark.parametrize("content", [b"[" * 900 + b"]" * 900, b'{"error":' + b"9" * MIB + b"}"])
async def test_an_answer_that_no_decoder_should_meet_is_a_protocol_error(content: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="the answer has"):
        await ask(content)


class TestTime:
    async def test_an_answer_that_drips_ends_although_bytes_keep_coming(self) -> None:
        clock = Clock()
        drips = Body([b" "] * 100_000, lambda: clock.sleep(1))

        with pytest.raises(RemoteTimeout, match="no answer in time"):
            await ask(drips, time=Time(clock))

        assert clock.now() - NOON <= timedelta(seconds=module.MOST_SECONDS + 1)

    async def test_an_answer_ends_soon_after_the_deadline(self) -> None:
        clock = Clock()
        drips = Body([b" "] * 100_000, lambda: clock.sleep(1))

        with pytest.raises(RemoteTimeout):
            await ask(drips, time=Time(clock, timedelta(seconds=10)))

        assert timedelta(seconds=10) <= clock.now() - NOON <= timedelta(seconds=14)

    async def test_an_answer_that_stops_coming_ends_by_the_machines_own_time(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "MOST_SECONDS", 0.05)

        with pytest.raises(RemoteTimeout, match="no answer in time"):
            await ask(Body([BODY], lambda: asyncio.sleep(3600)))

    async def test_nothing_is_asked_when_the_time_is_over(self) -> None:
        with pytest.raises(RunStopped) as raised:
            await ask(time=Time(Clock(), timedelta(seconds=-5)))

        assert raised.value.retry_after == 60


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        (" 7 ", 7),
        ("0", 0),
        ("9" * 400, 31 * 86_400),
        ("Mon, 15 Jun 2026 09:01:30 GMT", 90),
        ("Mon, 15 Jun 2026 12:01:30 +0300", 90),
        ("Mon, 15 Jun 2026 08:00:00 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 31 * 86_400),
        ("Fri, 31 Dec 99999 23:59:59 GMT", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("", None),
    ],
)
async def test_a_named_delay_is_seconds_or_a_date(value: str, seconds: int | None) -> None:
    assert (await ask(status=503, retry_after=value)).retry_after == seconds


async def test_an_answer_without_a_named_delay_has_none() -> None:
    assert (await ask(status=503)).retry_after is None


async def test_a_request_hides_its_secrets_when_printed() -> None:
    asked = HttpRequest(system="Agbis", call="X", url="http://agbis.test/?SessionID=S-1", content=b"S-1", headers={})

    assert "S-1" not in repr(asked)


async def test_an_answer_that_a_test_has_made_comes_as_from_a_network() -> None:
    async with httpx.AsyncClient(transport=Answers(lambda _: httpx.Response(200, content=BODY))) as http:
        asked = HttpRequest(system="Agbis", call="X", url="http://agbis.test/", content=b"{}", headers={})

        assert (await exchange(http, asked, Time(Clock()))).content == BODY
