"""A request read whole and an answer not sent yet."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

JSON = "application/json; charset=UTF-8"
HTML = "text/html; charset=UTF-8"


@dataclass(frozen=True, slots=True)
class Incoming:
    """A request with its body.

    Attributes:
        query: The raw query string, still percent-encoded.
        headers: Names in lower case.
        address: The caller's address, as the server sees it.
    """

    verb: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
    address: str


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer to send."""

    body: bytes
    status: int = 200
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)


def html(status: int, text: str) -> Reply:
    """Return a page."""
    return Reply(text.encode(), status=status, content_type=HTML)


@dataclass(slots=True)
class RequestRecord:
    """A request, for tests to read.

    Attributes:
        method: Method of CoMagic or command of Agbis; `?` when the request does not name one.
        params: Its parameters, without secrets.
        at: When it came.
        outcome: `ok`, `error <code or mnemonic>`, `http <status>`, or `nothing done` when a fault came first.
        fault: Kind of the fault that hit it.
    """

    method: str
    params: dict[str, Any]
    at: datetime
    outcome: str = "nothing done"
    fault: str | None = None
