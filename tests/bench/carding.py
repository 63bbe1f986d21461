"""The exchange beside a function that answers with a constant, asked in turns in one run; see `bench.exchange`."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

from bench import exchange
from bench.figures import Figure
from running import Function, running_function


def measure(*, clients: list[int], rounds: int, seconds: float, waits: int) -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        constant = Path(folder, "constant.py")
        constant.write_text(exchange.CONSTANT, encoding="utf-8")
        settings = {"STORE_URL": f"sqlite:///{folder}/cards.db", "WORKERS": "1"}
        ours = stack.enter_context(running_function("exchange", settings))
        theirs = stack.enter_context(running_function("constant", {"WORKERS": "1"}, source=constant))
        return asyncio.run(_compared(_port(ours), _port(theirs), clients, rounds, seconds, waits))


async def _compared(
    ours: int, theirs: int, clients: list[int], rounds: int, seconds: float, waits: int
) -> list[Figure]:
    for sent in exchange.REQUESTS["POST"]:  # so that every GET finds its card
        await exchange.load(ours, [sent], clients=1, seconds=0)
    figures = []
    for verb in exchange.REQUESTS:
        for count in clients:
            mine, its = await exchange.compare(ours, theirs, verb=verb, clients=count, rounds=rounds, seconds=seconds)
            told = mine.as_json()
            figures.append(
                Figure(
                    concern="exchange",
                    name=f"{verb}, {count} clients: throughput over a constant's",
                    value=mine.rate / its.rate,
                    limit=exchange.TARGET_RATIO,
                    at_least=True,
                    how=f"{mine.rate:,.0f} / {its.rate:,.0f} a second; "
                    + ", ".join(f"{name[:3]} {told[name]:.2f} ms" for name in ("p50_ms", "p95_ms", "p99_ms")),
                    raw={"exchange": told, "constant": its.as_json()},
                )
            )
    waited = [took * 1000 for took in await exchange.waits(ours, times=waits)]
    figures.append(
        Figure(
            concern="exchange",
            name="?wait=: the longest from a POST to the answer",
            value=max(waited),
            unit="ms",
            limit=exchange.TARGET_WAIT_MS,
            raw={"waited": [round(each, 1) for each in waited]},
        )
    )
    return figures


def _port(function: Function) -> int:
    return urlsplit(function.url).port or 80
