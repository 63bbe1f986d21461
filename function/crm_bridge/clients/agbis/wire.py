"""The Agbis HTTP API as it is on the wire: its forms of request, its reply envelope and its ways to write a value.

Facts are from the vendor's API documentation and from public clients of it; where a rule looks odd, the odd one is
theirs. Command and field names stand here and in `rows.py` only.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote, unquote_plus
from zoneinfo import ZoneInfo

from msgspec import Struct

from crm_bridge.clients.retry import AGBIS_BLOCK_SECONDS, MalformedResponse
from crm_bridge.domain.money import to_kopecks
from crm_bridge.errors import RemoteProtocolError, RemoteRejected, RemoteUnavailable
from crm_bridge.redaction import redact_remote

SYSTEM = "Agbis"

LOGIN = "Login"
REFRESH_SESSION = "RefreshSession"
VALID_SESSION = "ValidSessionID"
ORDERS_CHANGED = "OrderByDateTimeForAll"
CLIENTS_CHANGED = "ClientsByDateTimeForAll"
CLIENT = "ContrInfoForAll"

REFUSED_SESSION = frozenset({"2", "3", "106"})
"""Not authorised, session expired, unknown session: which of them a server says for an old session differs."""

NOT_FOUND = "1"
"""The command failed, text in `Msg`; there is no code of its own for something that is not there."""

_THROTTLED = 102
_FOR_NOW = frozenset({100, 101, 107, 108, 109})  # the database or the link to it is away, by the documentation

_HASH = re.compile(r"[0-9a-fA-F]{40}")
_MONEY = re.compile(r"-?[0-9]{1,15}(?:[.,][0-9]{1,8})?")
_SPACES = re.compile(r"\s+")  # U+00A0 and U+202F, met as thousands separators, are white space to `re`
_DATE_TIME = re.compile(
    r"(?:(?P<day>\d{1,2})\.(?P<month>\d{1,2})\.(?P<year>\d{4})|(?P<year2>\d{4})-(?P<month2>\d{2})-(?P<day2>\d{2}))"
    r"(?:[ T]+(?P<time>\d{1,2}:\d{2}(?::\d{2})?)(?:[.,]\d+)?)?"
)
_TIME = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?(?:[.,]\d+)?")


class Request(Struct, frozen=True, kw_only=True):
    """One request, ready to send. Its address and body hold secrets.

    Attributes:
        command: The API's name of what is asked.
        url: Whole, and encoded exactly once already.
        content: The JSON body of the POST form; None for the GET form.
    """

    command: str
    url: str
    content: bytes | None = None

    def __repr__(self) -> str:
        return f"Request({self.command})"  # the rest holds the session and the password


def base_url(url: str) -> str:
    """Return the address with the slash its directory form has; a full name such as `index.php` stays."""
    last = url.rstrip().rsplit("/", 1)[-1]
    return url.rstrip() if not last or "." in last else f"{url.rstrip()}/"


def get(base: str, command: str, parameters: Mapping[str, str], session_id: str | None = None) -> Request:
    """Write the GET form: the parameters are one JSON text, percent-encoded once (twice is answered with error 1)."""
    url = f"{base}?{command}={quote(_json(parameters), safe='')}"
    if session_id is not None:
        url += f"&SessionID={quote(session_id, safe='')}"
    return Request(command=command, url=url)


def post(base: str, command: str, parameters: Mapping[str, str], session_id: str) -> Request:
    """Write the POST form: the command both bare in the query and as key of the body, the session in the body."""
    body = {command: parameters, "SessionID": session_id}
    return Request(command=command, url=f"{base}?{command}", content=_json(body).encode())


def _json(value: object) -> str:
    # `\uXXXX` escapes arrive as empty text, so non-ASCII goes out as itself.
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def login(base: str, user: str, password: str) -> Request:
    """Write `Login`."""
    return get(base, LOGIN, {"User": user, "Pwd": password_hash(password), "AsUser": "1"})


def password_hash(password: str) -> str:
    """Return what travels for a password: its SHA-1 in lower-case hex; a ready one is taken as it is."""
    if _HASH.fullmatch(password):
        return password.lower()
    return hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest()


def refresh(base: str, refresh_id: str) -> Request:
    """Write `RefreshSession`, which goes without a session."""
    return get(base, REFRESH_SESSION, {"Refresh_ID": refresh_id})


def valid_session(base: str, session_id: str) -> Request:
    """Write `ValidSessionID`, which has no parameters."""
    return Request(command=VALID_SESSION, url=f"{base}?{VALID_SESSION}&SessionID={quote(session_id, safe='')}")


def window(base: str, command: str, session_id: str, *, since: datetime, until: datetime, zone: ZoneInfo) -> Request:
    """Write a request for what changed in a window; its ends are local, to the minute, seconds dropped."""
    ends = {
        "StartDate": f"{since.astimezone(zone):%d.%m.%Y %H:%M}",
        "StopDate": f"{until.astimezone(zone):%d.%m.%Y %H:%M}",
    }
    return post(base, command, ends, session_id)


def client(base: str, client_id: str, session_id: str) -> Request:
    """Write `ContrInfoForAll`."""
    return get(base, CLIENT, {"contr_id": client_id}, session_id)


def reply(command: str, content: bytes) -> dict[str, Any]:
    """Decode a reply: keys in lower case (their spelling varies), string values percent-decoded, once.

    Args:
        command: For the error messages.
        content: The body. Its content type is not to be trusted, so it is not asked.

    Raises:
        MalformedResponse: Not a JSON object.
        RemoteUnavailable: An error that passes; `retry_after` is set when we ask too often.
        RemoteRejected: Any other error, by its number.
        RemoteProtocolError: There is no error number, which even a success has (0).
    """
    try:
        # No float may come near money; what Agbis writes as a JSON number becomes Decimal.
        answer = json.loads(content.decode("utf-8-sig"), parse_float=Decimal, parse_constant=_no_constant)
    except (ValueError, RecursionError) as exc:
        raise MalformedResponse("the answer is not JSON") from exc
    if not isinstance(answer, dict):
        raise MalformedResponse("the answer is not a JSON object")
    decoded: dict[str, Any] = _decoded(answer)
    code = _error_number(command, decoded)
    if code == 0:
        return decoded
    text = f"{command}: error {code}"
    if message := redact_remote(decoded.get("msg") or ""):
        text = f"{text}: {message}"
    if code == _THROTTLED:
        raise RemoteUnavailable(SYSTEM, f"Agbis: {text}", retry_after=AGBIS_BLOCK_SECONDS)
    if code in _FOR_NOW:
        raise RemoteUnavailable(SYSTEM, f"Agbis: {text}")
    raise RemoteRejected(SYSTEM, str(code), f"Agbis: {text}")


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _decoded(value: Any) -> Any:
    if isinstance(value, str):
        return unquote_plus(value) if "%" in value or "+" in value else value
    if isinstance(value, dict):
        return {key.lower(): _decoded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_decoded(item) for item in value]
    return value


def _error_number(command: str, answer: Mapping[str, Any]) -> int:
    code = answer.get("error")
    if isinstance(code, int) and not isinstance(code, bool):
        return code
    if isinstance(code, str) and re.fullmatch(r"\s*[0-9]{1,9}\s*", code):
        return int(code)
    raise RemoteProtocolError(SYSTEM, f"Agbis: {command}: the answer has no error number")


def session_ids(command: str, answer: Mapping[str, Any]) -> tuple[str, str]:
    """Return the session id and the refresh id of `Login` or `RefreshSession`; both are new each time."""
    session_id, refresh_id = text(answer.get("session_id")), text(answer.get("refresh_id"))
    if not session_id:
        raise RemoteProtocolError(SYSTEM, f"Agbis: {command}: no Session_id in the answer")
    return session_id, refresh_id


def text(value: Any) -> str:
    """Return an id, a name or a phone as text; numbers are met where strings are promised, and null for nothing."""
    if value is None or isinstance(value, bool | list | dict):
        return ""
    return str(value).strip()


def kopecks(value: Any) -> int:
    """Read money: `"693942,49"`, `"1500"`, `"12 800,50"`, and a decimal point or a JSON number just as well.

    Nothing at all is 0. Anything that is not surely a sum is an error, because money is never guessed.

    Raises:
        ValueError: It is not a sum.
    """
    if isinstance(value, bool | list | dict):
        raise ValueError("not a sum")
    digits = "" if value is None else _SPACES.sub("", f"{value:f}" if isinstance(value, Decimal) else str(value))
    if not digits:
        return 0
    if not _MONEY.fullmatch(digits):
        raise ValueError("not a sum")
    return to_kopecks(Decimal(digits.replace(",", ".")))


def moment(value: Any, zone: ZoneInfo, time: Any = None) -> datetime | None:
    """Read a date, with or without its time, local in `zone`; None when there is none that can be read.

    Args:
        value: `15.06.2026`, `15.06.2026 14:30`, `15.06.2026 14:30:00`.
        zone: The dry cleaner's.
        time: The time, where it stands in a field of its own (`11:04:10`); counts when `value` has none.
    """
    match = _DATE_TIME.fullmatch(text(value))
    if match is None:
        return None
    clock = _TIME.fullmatch(match["time"] or text(time))
    hour, minute, second = (int(part or 0) for part in clock.groups()) if clock else (0, 0, 0)
    try:
        local = datetime(
            int(match["year"] or match["year2"]),
            int(match["month"] or match["month2"]),
            int(match["day"] or match["day2"]),
            hour,
            minute,
            second,
            tzinfo=zone,
        )
        return local.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
