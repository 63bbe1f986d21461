"""Faults that a test can order: of the network, of a proxy, of the server."""

import re
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from tests.sandbox.clock import Clock
from tests.sandbox.reply import JSON, Reply, html


@dataclass
class Fault:
    """A fault that waits for its request.

    Attributes:
        method: Name of a method or command, or `*` for any.
        kind: One of `COMMON_KINDS`, or a kind of the one system.
        times: How many requests it hits; None for all.
        skip: How many matching requests pass before it.
        params: Details of the kind, for example `{"code": 108}` or `{"seconds": 5}`; `retry_after` names a delay
            in the answers that come before anything is done, `pattern` and `by` say what is rewritten.
        having: Parameters that its requests have, with these values; others pass.
    """

    method: str = "*"
    kind: str = "http_502_html"
    times: int | None = 1
    skip: int = 0
    params: dict[str, Any] = field(default_factory=dict)
    having: dict[str, Any] = field(default_factory=dict)


class FaultSignal(Exception):  # a signal to the transport, not an error of the simulator
    """Raised instead of an answer; the transport turns it into what a client would see."""


class Dropped(FaultSignal):
    """The connection is closed without an answer."""

    def __init__(self, *, after: bool) -> None:
        super().__init__("connection dropped")
        self.after = after


class Refused(FaultSignal):
    """No connection is made."""


class Dripping(FaultSignal):
    """The answer comes a byte at a time, each after a wait of `seconds`."""

    def __init__(self, reply: Reply, wait: Callable[[], Awaitable[None]]) -> None:
        super().__init__("the answer drips")
        self.reply = reply
        self._wait = wait

    async def drips(self) -> AsyncIterator[bytes]:
        for byte in self.reply.body:
            await self._wait()
            yield bytes([byte])


class Hung(FaultSignal):
    """No answer comes for `seconds`."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"no answer for {seconds} s")
        self.seconds = seconds


def take(faults: list[Fault], method: str, params: Mapping[str, Any]) -> Fault | None:
    """Return the fault of this request, if there is one, and count it."""
    for fault in list(faults):
        if fault.method not in ("*", method) or not fault.having.items() <= params.items():
            continue
        if fault.skip > 0:
            fault.skip -= 1
            continue
        if fault.times is not None:
            fault.times -= 1
            if fault.times <= 0:
                faults.remove(fault)
        return fault
    return None


_GATEWAY = "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center><hr>nginx</body></html>"


def error_page(status: int, title: str) -> Reply:
    """Return the page a proxy shows."""
    return html(status, _GATEWAY.format(f"{status} {title}"))


def _not_json() -> Reply:
    return html(200, "<!DOCTYPE html><html><body>Ведутся технические работы</body></html>")


def _limit_page() -> Reply:
    return error_page(429, "Too Many Requests")


@cache
def _bomb() -> Reply:
    """Return 300 MiB of white space in 300 KB."""
    packer = zlib.compressobj(9, wbits=31)
    body = b"".join(packer.compress(b" " * 2**20) for _ in range(300)) + packer.flush()
    return Reply(body, content_type=JSON, headers={"content-encoding": "gzip"})


# Nothing has been done when these are answered.
BEFORE: dict[str, Callable[[], Reply]] = {
    "http_500": lambda: error_page(500, "Internal Server Error"),
    "http_502_html": lambda: error_page(502, "Bad Gateway"),
    "http_503": lambda: error_page(503, "Service Unavailable"),
    "http_504_html": lambda: error_page(504, "Gateway Time-out"),
    "http_429": _limit_page,
    "not_json": _not_json,
    "truncated_json": lambda: Reply(b'{"jsonrpc":"2.0","id":"1","error":0,"resu', content_type=JSON),
    "empty_body": lambda: Reply(b"", content_type=JSON),
    "deep_json": lambda: Reply(b'{"error":0,"result":' + b"[" * 900 + b"]" * 900 + b"}", content_type=JSON),
    "long_number": lambda: Reply(b'{"error":0,"result":' + b"9" * 5_000_000 + b"}", content_type=JSON),
    "gzip_bomb": _bomb,
}
# The request has taken full effect when these are answered.
AFTER: dict[str, Callable[[Reply], Reply]] = {
    "http_502_after": lambda _: error_page(502, "Bad Gateway"),
    "not_json_after": lambda _: _not_json(),
    "truncated_after": lambda done: Reply(done.body[: max(1, len(done.body) // 2)], content_type=JSON),
}
SIGNALS = ("reset_before", "reset_after", "timeout_before", "timeout_after", "connect_error", "slow")
COMMON_KINDS = (*BEFORE, *AFTER, *SIGNALS, "empty_success", "rewritten", "drip")
MEANINGS = {
    "http_500": "an error page, nothing is done",
    "http_502_html": "a proxy's error page, nothing is done",
    "http_503": "an error page, nothing is done; `retry_after` names a delay",
    "http_504_html": "a proxy's error page, nothing is done",
    "http_429": "too many requests, nothing is done; `retry_after` names a delay",
    "not_json": "a page of HTML with status 200, nothing is done",
    "truncated_json": "half an answer, nothing is done",
    "empty_body": "no body, nothing is done",
    "deep_json": "900 levels of brackets",
    "long_number": "a number of five million digits",
    "gzip_bomb": "300 MiB of white space in 300 KB",
    "http_502_after": "a proxy's error page after the request has taken effect",
    "not_json_after": "a page of HTML after the request has taken effect",
    "truncated_after": "half of the true answer",
    "reset_before": "the connection is closed, nothing is done",
    "reset_after": "the connection is closed after the request has taken effect",
    "timeout_before": "no answer for `seconds` (120), nothing is done",
    "timeout_after": "no answer for `seconds` (120) after the request has taken effect",
    "connect_error": "no connection is made",
    "slow": "the true answer, after `seconds` (5)",
    "empty_success": "a success without rows, nothing is done",
    "rewritten": "the true answer, with `pattern` replaced `by` a text",
    "drip": "the true answer, a byte every `seconds` (1)",
}


async def play(fault: Fault, act: Callable[[], Reply], clock: Clock) -> Reply | None:
    """Answer as the fault wants it; None for a kind that only one of the systems has.

    Args:
        fault: The fault.
        act: Carries the request out and returns its true answer.
        clock: A slow answer waits on it.

    Raises:
        FaultSignal: There is no answer at all.
    """
    kind = fault.kind
    params = fault.params
    if kind in BEFORE:
        reply = BEFORE[kind]()
        named = {"retry-after": str(params["retry_after"])} if "retry_after" in params else {}
        return replace(reply, headers={**reply.headers, **named})
    if kind == "rewritten":  # the true answer, with one thing in it changed
        reply = act()
        return replace(reply, body=re.sub(params["pattern"].encode(), params["by"].encode(), reply.body))
    if kind == "drip":
        raise Dripping(act(), lambda: clock.sleep(float(params.get("seconds", 1))))
    if kind in AFTER:
        return AFTER[kind](act())
    if kind == "slow":
        # The work is done first, so it is done also when the caller stops waiting.
        reply = act()
        await clock.sleep(float(fault.params.get("seconds", 5)))
        return reply
    if kind == "connect_error":
        raise Refused
    if kind in SIGNALS:
        after = kind.endswith("_after")
        if after:
            act()
        if kind.startswith("reset"):
            raise Dropped(after=after)
        raise Hung(float(fault.params.get("seconds", 120)))
    return None
