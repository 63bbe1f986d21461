"""How fast the exchange is, beside functions that do nothing.

There are two such functions, because functions-framework has two servers: one for plain functions, the usual kind
(Flask), and a leaner one for asynchronous functions (Starlette), which ours is. All are served with one worker each, at
the same time, and are asked in turns by the same clients. A ratio is taken within each turn, and the median of all
turns counts, so that whatever else the machine does is in both. The clients speak raw HTTP/1.1 over connections kept
alive and share the machine with the servers: the ratios are the result, the rates belong to this machine.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import socket
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from tests.benchmarks.figures import Figure
from tests.support.function_process import MAIN, running_function

CARD = {"name": "John Doe", "phone": "9156685347", "arpu": "4570", "soc_tariff": "TESTSOC"}
_ANSWER = """{"date": "2017-04-03 00:59:53.667318", "id": "test_id", "arpu": "4570", "name": "John Doe",
        "soc_tariff": "TESTSOC", "phone": "9156685347"}"""
CONSTANTS = {
    "plain": f"""
import functions_framework

CARD = {_ANSWER}


@functions_framework.http
def plain(request):
    return {{"result": "OK"}} if request.method == "POST" else CARD
""",
    "asynchronous": f"""
import functions_framework.aio

CARD = {_ANSWER}


@functions_framework.aio.http
async def asynchronous(request):
    return {{"result": "OK"}} if request.method == "POST" else CARD
""",
}
"""What does nothing, one for each of the framework's servers."""

IDS = 1000
TARGET_RATIO = 0.8
TARGET_GET_MS = 5.0
TARGET_WAIT_MS = 300.0

_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")


# Load


class Connection(asyncio.Protocol):
    """One client that asks again as soon as it is answered, until its time is over."""

    def __init__(self, requests: Sequence[bytes], until: float) -> None:
        self.latencies: list[float] = []
        self.done = asyncio.get_running_loop().create_future()
        self._requests = requests
        self._until = until
        self._next = random.randrange(len(requests))
        self._got = b""
        self._sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._got += data
        head, blank, body = self._got.partition(b"\r\n\r\n")
        if not blank:
            return
        length = _LENGTH.search(head)
        if length is None or not head.startswith(b"HTTP/1.1 200"):
            self._end(RuntimeError(f"not a 200 with a length: {self._got[:200]!r}"))
        elif len(body) >= int(length[1]):
            now = time.perf_counter()
            self.latencies.append(now - self._sent)
            self._got = b""
            if now < self._until:
                self._ask()
            else:
                self._end(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc or RuntimeError("the server closed the connection"))

    def _ask(self) -> None:
        self._next = (self._next + 1) % len(self._requests)
        self._sent = time.perf_counter()
        self._transport.write(self._requests[self._next])

    def _end(self, exc: Exception | None) -> None:
        if not self.done.done():
            if exc:
                self.done.set_exception(exc)
            else:
                self.done.set_result(None)
        self._transport.close()


async def load(port: int, requests: Sequence[bytes], *, clients: int, seconds: float) -> tuple[float, list[float]]:
    """Let clients ask for some seconds; return the requests a second, and how long each took."""
    loop = asyncio.get_running_loop()
    started = time.perf_counter()
    connections = [
        (await loop.create_connection(lambda: Connection(requests, started + seconds), "127.0.0.1", port))[1]
        for _ in range(clients)
    ]
    await asyncio.gather(*(connection.done for connection in connections))
    took = time.perf_counter() - started
    latencies = [latency for connection in connections for latency in connection.latencies]
    return len(latencies) / took, latencies


def request(method: str, card_id: str, body: bytes = b"", query: str = "") -> bytes:
    head = f"{method} /api/{card_id}{query} HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n"
    if body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


REQUESTS = {
    "POST": [request("POST", f"caller_{n}", json.dumps(CARD).encode()) for n in range(IDS)],
    "GET": [request("GET", f"caller_{n}") for n in range(IDS)],
}


# Measurements


@dataclass
class Measured:
    """One function asked in one way, over all turns."""

    rates: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return statistics.median(self.rates)

    def over(self, other: Measured) -> float:
        """Return our rate over that of another, each taken in the same turn."""
        return statistics.median(ours / theirs for ours, theirs in zip(self.rates, other.rates, strict=True))

    def percentile_ms(self, percent: int) -> float:
        return statistics.quantiles(self.latencies, n=100)[percent - 1] * 1000

    def as_json(self) -> dict[str, float]:
        percentiles = {f"p{percent}_ms": round(self.percentile_ms(percent), 3) for percent in (50, 95, 99)}
        return {"requests_per_second": round(self.rate, 1), **percentiles}


@contextmanager
def _served() -> Iterator[dict[str, int]]:
    """Serve `exchange` and the functions that do nothing; give their ports."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as running:

        def port(name: str, source: Path) -> int:
            settings = {"STORE_URL": f"sqlite:///{folder}/cards.db", "WORKERS": "1"}
            function = running.enter_context(running_function(name, settings, source=source))
            return urlsplit(function.url).port or 80

        ports = {"exchange": port("exchange", MAIN)}
        for name, code in CONSTANTS.items():
            source = Path(folder, f"{name}.py")
            source.write_text(code, encoding="utf-8")
            ports[name] = port(name, source)
        yield ports


async def _warm_up(ports: Mapping[str, int]) -> None:
    """Post every card, so that a GET finds it, and make every function answer for a while."""
    for sent in REQUESTS["POST"]:
        await _once(ports["exchange"], sent)
    for port in ports.values():
        await load(port, REQUESTS["GET"], clients=8, seconds=1)


async def _compared(
    ports: Mapping[str, int], *, verb: str, clients: int, rounds: int, seconds: float
) -> dict[str, Measured]:
    """Ask all functions in turns, in an order that changes."""
    measured = {name: Measured() for name in ports}
    for _ in range(rounds):
        for name in random.sample(list(ports), len(ports)):
            rate, latencies = await load(ports[name], REQUESTS[verb], clients=clients, seconds=seconds)
            measured[name].rates.append(rate)
            measured[name].latencies += latencies
    return measured


async def _waited(port: int, *, times: int) -> list[float]:
    """Return how long after the start of a POST a reader that came first has had the card."""
    took = []
    for n in range(times):
        reader = asyncio.create_task(_once(port, request("GET", f"late_{n}", query="?wait=10")))
        await asyncio.sleep(0.2 + random.random())  # at any point of the store's pauses
        started = time.perf_counter()
        await _once(port, request("POST", f"late_{n}", json.dumps(CARD).encode()))
        await reader
        took.append(time.perf_counter() - started)
    return took


async def _once(port: int, sent: bytes) -> None:
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(lambda: Connection([sent], 0), "127.0.0.1", port)
    await connection.done


def measure(*, clients: list[int], rounds: int, seconds: float, waits: int) -> list[Figure]:
    with _served() as ports:
        return asyncio.run(_measured(ports, clients=clients, rounds=rounds, seconds=seconds, waits=waits))


async def _measured(
    ports: Mapping[str, int], *, clients: list[int], rounds: int, seconds: float, waits: int
) -> list[Figure]:
    await _warm_up(ports)
    figures = []
    for verb in REQUESTS:
        for count in clients:
            measured = await _compared(ports, verb=verb, clients=count, rounds=rounds, seconds=seconds)
            ours = measured["exchange"]
            figures += [
                Figure(
                    concern="exchange",
                    name=f"{verb}, {count} client{'s' * (count > 1)}: throughput over a constant {kind} function's",
                    value=ours.over(measured[kind]),
                    limit=TARGET_RATIO,
                    at_least=True,
                    how=f"{ours.rate:,.0f} / {measured[kind].rate:,.0f} a second",
                    raw={name: each.as_json() for name, each in measured.items()},
                )
                for kind in CONSTANTS
            ]
            figures.append(
                Figure(
                    concern="exchange",
                    name=f"{verb}, {count} client{'s' * (count > 1)}: median time",
                    value=ours.percentile_ms(50),
                    unit="ms",
                    limit=TARGET_GET_MS if (verb, count) == ("GET", 1) else None,
                    how=f"p95 {ours.percentile_ms(95):.2f} ms, p99 {ours.percentile_ms(99):.2f} ms",
                )
            )
    waited = [took * 1000 for took in await _waited(ports["exchange"], times=waits)]
    figures.append(
        Figure(
            concern="exchange",
            name="?wait=: the longest from a POST to the answer",
            value=max(waited),
            unit="ms",
            limit=TARGET_WAIT_MS,
            how=f"median {statistics.median(waited):.0f} ms",
            raw={"waited": [round(each, 1) for each in waited]},
        )
    )
    return figures
