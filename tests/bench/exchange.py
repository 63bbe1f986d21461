"""How fast the exchange is, beside a function that does nothing: `PYTHONPATH=tests python -m bench.exchange`.

Both are served by functions-framework with one worker each, at the same time, and are asked in turns by the same
clients; of each the best turn counts, because whatever else the machine does can only take away. The clients speak raw
HTTP/1.1 over connections kept alive and share the machine with the servers: the ratios are the result, the rates belong
to this machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import random
import re
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

from running import MAIN, Function, running_function

CARD = {"name": "John Doe", "phone": "9156685347", "arpu": "4570", "soc_tariff": "TESTSOC"}
CONSTANT = """
import functions_framework.aio

CARD = {"date": "2017-04-03 00:59:53.667318", "id": "test_id", "arpu": "4570", "name": "John Doe",
        "soc_tariff": "TESTSOC", "phone": "9156685347"}


@functions_framework.aio.http
async def constant(request):
    return {"result": "OK"} if request.method == "POST" else CARD
"""
IDS = 1000
TARGET_RATIO = 0.8
TARGET_GET_MS = 5.0
TARGET_WAIT_MS = 300.0

_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")


# Load


class Connection(asyncio.Protocol):
    """One client that asks again as soon as it is answered, until told to stop."""

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
    begun = time.perf_counter()
    connections = [
        (await loop.create_connection(lambda: Connection(requests, begun + seconds), "127.0.0.1", port))[1]
        for _ in range(clients)
    ]
    await asyncio.gather(*(connection.done for connection in connections))
    took = time.perf_counter() - begun
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
    """One function asked in one way, over all rounds."""

    rates: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return max(self.rates)

    def percentile_ms(self, percent: int) -> float:
        return statistics.quantiles(self.latencies, n=100)[percent - 1] * 1000

    def as_json(self) -> dict[str, float]:
        percentiles = {f"p{percent}_ms": round(self.percentile_ms(percent), 3) for percent in (50, 95, 99)}
        return {"requests_per_second": round(self.rate, 1), **percentiles}


async def compare(
    exchange: int, constant: int, *, verb: str, clients: int, rounds: int, seconds: float
) -> tuple[Measured, Measured]:
    """Ask both functions in turns."""
    ours, theirs = Measured(), Measured()
    for turn in range(rounds):
        both = [(exchange, ours), (constant, theirs)]
        for port, measured in both if turn % 2 else reversed(both):
            rate, latencies = await load(port, REQUESTS[verb], clients=clients, seconds=seconds)
            measured.rates.append(rate)
            measured.latencies += latencies
    return ours, theirs


async def waits(port: int, *, times: int) -> list[float]:
    """Tell how long after the start of a POST a reader that came first has had the card."""
    took = []
    for n in range(times):
        reader = asyncio.create_task(_once(port, request("GET", f"late_{n}", query="?wait=10")))
        await asyncio.sleep(0.2 + random.random())  # at any point of whatever pauses the store makes
        begun = time.perf_counter()
        await _once(port, request("POST", f"late_{n}", json.dumps(CARD).encode()))
        await reader
        took.append(time.perf_counter() - begun)
    return took


async def _once(port: int, sent: bytes) -> None:
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(lambda: Connection([sent], 0), "127.0.0.1", port)
    await connection.done


async def measure(exchange: int, constant: int, options: argparse.Namespace, say: Callable[[str], None]) -> bool:
    for sent in REQUESTS["POST"]:  # so that every GET finds its card
        await _once(exchange, sent)
    for port in (exchange, constant):
        await load(port, REQUESTS["GET"], clients=8, seconds=1)

    rows = []
    met = True
    say("| | clients | exchange, req/s | constant, req/s | ratio | p50, ms | p95, ms | p99, ms | constant's p50 |")
    say("|---|---|---|---|---|---|---|---|---|")
    for verb in ("POST", "GET"):
        for clients in options.clients:
            ours, theirs = await compare(
                exchange, constant, verb=verb, clients=clients, rounds=options.rounds, seconds=options.seconds
            )
            ratio = ours.rate / theirs.rate
            p50, p95, p99 = (ours.percentile_ms(percent) for percent in (50, 95, 99))
            say(
                f"| {verb} | {clients} | {ours.rate:.0f} | {theirs.rate:.0f} | {ratio:.0%} | {p50:.2f} | {p95:.2f} | "
                f"{p99:.2f} | {theirs.percentile_ms(50):.2f} |"
            )
            met &= ratio >= TARGET_RATIO and not (verb == "GET" and clients == 1 and p50 >= TARGET_GET_MS)
            rows.append(
                {"verb": verb, "clients": clients, "ratio": round(ratio, 3)}
                | {"exchange": ours.as_json(), "constant": theirs.as_json()}
            )

    waited = [seconds * 1000 for seconds in await waits(exchange, times=options.waits)]
    met &= max(waited) <= TARGET_WAIT_MS
    say(f"\n`?wait=`, POST to answer: median {statistics.median(waited):.0f} ms, longest {max(waited):.0f} ms")
    say(
        f"Targets (ratio >= {TARGET_RATIO:.0%}, GET at one client < {TARGET_GET_MS:.0f} ms, "
        f"wait <= {TARGET_WAIT_MS:.0f} ms): {'met' if met else 'MISSED'}\n"
    )
    say(
        json.dumps(
            {
                "benchmark": "exchange on SQLite / constant JSON, one worker each",
                "machine": {"cpus": os.cpu_count(), "python": platform.python_version()}
                | {name: version(name) for name in ("functions-framework", "starlette", "uvicorn")},
                "results": rows,
                "wait_ms": {"median": round(statistics.median(waited), 1), "longest": round(max(waited), 1)},
                "met": met,
            }
        )
    )
    return met


def _port(function: Function) -> int:
    return urlsplit(function.url).port or 80


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.exchange", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--rounds", type=int, default=12, help="turns of each function; the best counts")
    parser.add_argument("--seconds", type=float, default=0.6, help="length of a turn")
    parser.add_argument("--waits", type=int, default=20)
    parser.add_argument("--main", type=Path, default=MAIN, help=argparse.SUPPRESS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        constant = Path(folder, "constant.py")
        constant.write_text(CONSTANT, encoding="utf-8")
        settings = {"STORE_URL": f"sqlite:///{folder}/cards.db", "WORKERS": "1"}
        with (
            running_function("exchange", settings, source=options.main) as ours,
            running_function("constant", {"WORKERS": "1"}, source=constant) as theirs,
        ):
            met = asyncio.run(measure(_port(ours), _port(theirs), options, print))
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
