"""One HTTP exchange with a remote system, whose answer keeps limits of size and time."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx
from msgspec import Struct

from crm_bridge.clients.json_limits import LimitBroken, check_json
from crm_bridge.clients.retry import MalformedResponse
from crm_bridge.clock import RunTime
from crm_bridge.errors import AnswerTooLarge, RemoteProtocolError, RemoteTimeout, RemoteUnavailable, RunStopped
from crm_bridge.redaction import redact_remote

MOST_BYTES = 64 * 2**20  # of an answer, decompressed; a page of 10 000 rows has 3 MB
MOST_SECONDS = 120  # from a request to the end of its answer, however slowly that drips
CLOSING = 3.0  # seconds after the deadline, for what is under way then; the run has two more to write it down
_TIMEOUT = httpx.Timeout(60)  # seconds without a byte: a page, or a slow link to the shop's database, takes its time
_LONGEST_DELAY = 31 * 86_400  # seconds; arithmetic with a longer one might overflow
_PIECE = 2**18  # bytes decompressed at once


class _TooManyBytes(LimitBroken):
    """The answer is larger than its request allows."""


class ConnectionFailed(RemoteUnavailable):
    """No connection was made, so the other side has received nothing."""


class HttpRequest(Struct, frozen=True, kw_only=True):
    """What to send. Its address and body may hold secrets.

    Attributes:
        call: The method or command, for messages.
        content: The body of a POST; None for a GET.
        most_bytes: Of the answer, decompressed; MOST_BYTES when None.
    """

    system: str
    call: str
    url: str
    content: bytes | None
    headers: Mapping[str, str]
    most_bytes: int | None = None

    def __repr__(self) -> str:
        return f"HttpRequest({self.call})"


class HttpAnswer(Struct, frozen=True, kw_only=True):
    """A whole answer.

    Attributes:
        content: The body, decompressed.
        retry_after: Seconds the other side asks us to wait (`Retry-After`); None when it does not.
        is_redirect: It names another address.
    """

    status_code: int
    content: bytes
    retry_after: int | None
    is_redirect: bool = False

    @property
    def is_success(self) -> bool:
        return 200 <= self.status_code < 300


async def exchange(http: httpx.AsyncClient, asked: HttpRequest, time: RunTime) -> HttpAnswer:
    """Send a request and read its whole answer.

    Raises:
        RunStopped: The run's time was over; nothing was sent.
        ConnectionFailed, RemoteTimeout, RemoteUnavailable: There is no whole answer.
        MalformedResponse: The answer cannot be decompressed.
        AnswerTooLarge: The answer has more bytes than the request allows.
        RemoteProtocolError: The answer breaks another limit, or the address is wrong.
    """
    left = time.left() + CLOSING
    if left <= 0:
        raise RunStopped(f"The time of this run was over before {asked.system} had answered", retry_after=60)
    seconds = min(MOST_SECONDS, left)
    system, call = asked.system, asked.call
    try:
        async with asyncio.timeout(seconds):
            return await _send(http, asked, time, until=time.monotonic() + seconds)
    except (TimeoutError, httpx.ReadTimeout) as exc:
        raise RemoteTimeout(system, f"{system}: {call}: no answer in time") from exc
    except (httpx.ConnectError, httpx.ConnectTimeout) as exc:
        raise ConnectionFailed(system, f"{system}: {call}: no connection: {_cause(exc)}") from exc
    except httpx.RequestError as exc:
        raise RemoteUnavailable(system, f"{system}: {call}: {_cause(exc)}") from exc
    except httpx.InvalidURL as exc:
        message = f"{system}: {system.upper()}_URL is not an address that can be asked"
        raise RemoteProtocolError(system, message) from exc
    except LimitBroken as exc:
        kind = AnswerTooLarge if isinstance(exc, _TooManyBytes) else RemoteProtocolError
        raise kind(system, f"{system}: {call}: the answer has {exc}") from exc


async def _send(http: httpx.AsyncClient, asked: HttpRequest, time: RunTime, *, until: float) -> HttpAnswer:
    request = http.build_request(
        "GET" if asked.content is None else "POST",
        asked.url,
        content=asked.content,
        headers={**asked.headers, "Accept-Encoding": "gzip, deflate"},
        timeout=_TIMEOUT,
    )
    response = await http.send(request, stream=True, follow_redirects=False)  # a redirected POST loses its body
    most_bytes = MOST_BYTES if asked.most_bytes is None else asked.most_bytes
    try:
        pieces, size = [], 0
        async for piece in _pieces(response):
            pieces.append(piece)
            size += len(piece)
            if size > most_bytes:
                raise _TooManyBytes(f"more than {most_bytes >> 20} MiB")
            if time.monotonic() > until:
                raise TimeoutError
    finally:
        await response.aclose()
    content = b"".join(pieces)
    check_json(content)
    return HttpAnswer(
        status_code=response.status_code,
        content=content,
        retry_after=_delay(response.headers.get("Retry-After"), time.now()),
        is_redirect=response.is_redirect or response.has_redirect_location,
    )


async def _pieces(response: httpx.Response) -> AsyncIterator[bytes]:
    """Decompress a body piece by piece: httpx would inflate each chunk whole, and an encoding within another."""
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding in ("", "identity"):
        async for chunk in response.aiter_raw():
            yield chunk
        return
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise MalformedResponse("the answer is compressed in a way that was not asked for")
    inflater = None
    async for chunk in response.aiter_raw():
        inflater = inflater or _inflater(chunk)
        try:
            for piece in _inflate(inflater, chunk):
                yield piece
        except zlib.error as exc:
            raise MalformedResponse("the answer cannot be decompressed") from exc
    if inflater is not None and not inflater.eof:
        raise MalformedResponse("the answer cannot be decompressed")


def _inflater(first: bytes) -> zlib._Decompress:
    """Return what decompresses gzip, zlib, or what some servers send as `deflate`: neither header nor sum."""
    has_header = first[:2] == b"\x1f\x8b" or (
        len(first) > 1 and first[0] & 15 == 8 and (first[0] << 8 | first[1]) % 31 == 0
    )
    return zlib.decompressobj(zlib.MAX_WBITS | 32 if has_header else -zlib.MAX_WBITS)


def _inflate(inflater: zlib._Decompress, chunk: bytes) -> Iterator[bytes]:
    while True:
        piece = inflater.decompress(chunk, _PIECE)
        if piece:
            yield piece
        chunk = inflater.unconsumed_tail
        if not chunk and len(piece) < _PIECE:
            return


def _delay(value: str | None, now: datetime) -> int | None:
    """Read `Retry-After`: seconds, or a date."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdecimal():
        return min(int(text[:18]), _LONGEST_DELAY)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max(0, -(-(moment - now) // timedelta(seconds=1))), _LONGEST_DELAY)


def _cause(exc: httpx.HTTPError) -> str:
    return redact_remote(f"{type(exc).__name__} {exc}")
