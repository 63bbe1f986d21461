"""The Agbis HTTP API on the wire: forms of a request, the envelope of a reply, spellings of a value.

Where a rule looks odd, Agbis is odd: docs/remote/agbis.md says how each fact is known. Names of commands and fields
stand here and in `mapping.py` only.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote_plus
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from crm_bridge.clients.json_limits import FIRST_YEAR, LAST_YEAR, MOST_LEVELS, LimitBroken
from crm_bridge.clients.retry import AGBIS_BLOCK_SECONDS, MalformedResponse
from crm_bridge.domain.money import to_kopecks
from crm_bridge.errors import RemoteProtocolError, RemoteRejected, RemoteUnavailable
from crm_bridge.redaction import clean_text, redact_remote

SYSTEM = "Agbis"

LOGIN = "Login"
REFRESH_SESSION = "RefreshSession"
VALID_SESSION = "ValidSessionID"
ORDERS_CHANGED = "OrderByDateTimeForAll"
CLIENTS_CHANGED = "ClientsByDateTimeForAll"
CLIENT = "ContrInfoForAll"
PAYMENTS = "OrderPaysBetweenForAll"
ORDER = "FullOrderInfo"

REFUSED_SESSION = frozenset({"2", "3", "106"})
"""Not authorised, session expired, session unknown; which of them an old session gets differs.

Source: docs/remote/agbis.md#error-codes
"""

NOT_FOUND = "1"
"""The command failed. There is no code for "not found", so this one stands for it in a look-up."""

_THROTTLED = 102
_FOR_NOW = frozenset({100, 101, 107, 108, 109})  # the database or the link to it is down

_LONGEST_KEY = 40  # characters of a documented key

_HASH = re.compile(r"[0-9a-fA-F]{40}")
_MONEY = re.compile(r"-?[0-9]{1,15}(?:[.,][0-9]{1,8})?")
_SPACES = re.compile(r"\s+")  # includes the thousands separators U+00A0 and U+202F
_DATE_TIME = re.compile(
    r"(?:(?P<day>\d{1,2})\.(?P<month>\d{1,2})\.(?P<year>\d{4})|(?P<year2>\d{4})-(?P<month2>\d{2})-(?P<day2>\d{2}))"
    r"(?:[ T]+(?P<time>\d{1,2}:\d{2}(?::\d{2})?)(?:[.,]\d+)?)?"
)
_TIME = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?(?:[.,]\d+)?")


class TooFrequent(RemoteUnavailable):
    """HTTP 429 or error 102: Agbis answers nobody of this user for a while."""


class Request(Struct, frozen=True, kw_only=True):
    """One request, ready to send. Its address and body hold secrets.

    Attributes:
        command: The API's name of the command.
        url: The whole address, percent-encoded exactly once.
        content: The JSON body of the POST form; None for the GET form.
        secrets: Those of its values that no message may quote.
        most_bytes: Of the answer; None for the limit of every answer.
    """

    command: str
    url: str
    content: bytes | None = None
    secrets: tuple[str, ...] = ()
    most_bytes: int | None = None

    def __repr__(self) -> str:
        return f"Request({self.command})"  # the rest holds the session and the password


def base_url(url: str) -> str:
    """Return the address with a slash at its end, unless it ends with a file such as `index.php`.

    Source: docs/remote/agbis.md#base-url
    """
    last = url.rstrip().rsplit("/", 1)[-1]
    return url.rstrip() if not last or "." in last else f"{url.rstrip()}/"


def get(base: str, command: str, parameters: Mapping[str, str], session_id: str | None = None) -> Request:
    """Write the GET form: the parameters are one JSON text, percent-encoded once; encoded twice they get error 1.

    Source: docs/remote/agbis.md#get
    """
    url = f"{base}?{command}={quote(_json(parameters), safe='')}"
    if session_id is not None:
        url += f"&SessionID={quote(session_id, safe='')}"
    return Request(command=command, url=url, secrets=() if session_id is None else (session_id,))


def post(base: str, command: str, parameters: Mapping[str, str], session_id: str) -> Request:
    """Write the POST form: the command bare in the query and as a key of the body, the session in the body.

    Source: docs/remote/agbis.md#post
    """
    body = {command: parameters, "SessionID": session_id}
    return Request(command=command, url=f"{base}?{command}", content=_json(body).encode(), secrets=(session_id,))


def _json(value: object) -> str:
    # Agbis reads a `\uXXXX` escape as empty text: docs/remote/agbis.md#get
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def login(base: str, user: str, password: str) -> Request:
    """Write `Login`."""
    return get(base, LOGIN, {"User": user, "Pwd": password_hash(password), "AsUser": "1"})


def password_hash(password: str) -> str:
    """Return the SHA-1 of a password in lower-case hex, as `Login` takes it; a hash is returned as it is."""
    if _HASH.fullmatch(password):
        return password.lower()
    return hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest()


def refresh(base: str, refresh_id: str) -> Request:
    """Write `RefreshSession`, which needs no session."""
    return replace(get(base, REFRESH_SESSION, {"Refresh_ID": refresh_id}), secrets=(refresh_id,))


def valid_session(base: str, session_id: str) -> Request:
    """Write `ValidSessionID`, which has no parameters."""
    url = f"{base}?{VALID_SESSION}&SessionID={quote(session_id, safe='')}"
    return Request(command=VALID_SESSION, url=url, secrets=(session_id,))


def window(base: str, command: str, session_id: str, *, since: datetime, until: datetime, zone: ZoneInfo) -> Request:
    """Write a request for the changes in a window; its ends are local times to the minute, seconds dropped.

    Source: docs/remote/agbis.md#order-requests
    """
    ends = {
        "StartDate": f"{since.astimezone(zone):%d.%m.%Y %H:%M}",
        "StopDate": f"{until.astimezone(zone):%d.%m.%Y %H:%M}",
    }
    return post(base, command, ends, session_id)


def day(base: str, command: str, session_id: str, day: date) -> Request:
    """Write a request for what belongs to one local day."""
    local = f"{day:%d.%m.%Y}"
    return post(base, command, {"StartDate": local, "StopDate": local}, session_id)


def order(base: str, order_id: str, session_id: str) -> Request:
    """Write `FullOrderInfo`."""
    return get(base, ORDER, {"dor_id": order_id}, session_id)


def client(base: str, client_id: str, session_id: str) -> Request:
    """Write `ContrInfoForAll`."""
    return get(base, CLIENT, {"contr_id": client_id}, session_id)


def reply(command: str, content: bytes, *, secrets: Sequence[str] = ()) -> dict[str, Any]:
    """Decode a reply: keys in lower case, because their spelling varies, and text percent-decoded once and cleaned.

    Success and error both come as HTTP 200, and the content type is unreliable.
    Source: docs/remote/agbis.md#replies, #encoding, #keys

    Args:
        command: For the error messages.
        content: The body.
        secrets: Values that an error must not quote.

    Raises:
        MalformedResponse: Not a JSON object.
        RemoteUnavailable: An error that passes; `retry_after` is set when we ask too often.
        RemoteRejected: Any other error, by its number.
        RemoteProtocolError: There is no error number, which even a success has (0).
    """
    try:
        # A JSON number becomes Decimal: a float could change a sum.
        answer = json.loads(content.decode("utf-8-sig"), parse_float=Decimal, parse_constant=_no_constant)
    except (ValueError, RecursionError) as exc:
        raise MalformedResponse("the answer is not JSON") from exc
    if not isinstance(answer, dict):
        raise MalformedResponse("the answer is not a JSON object")
    try:
        decoded: dict[str, Any] = _decoded(answer, MOST_LEVELS)
    except LimitBroken as exc:
        raise RemoteProtocolError(SYSTEM, f"Agbis: {command}: the answer has {exc}") from exc
    code = _error_number(command, decoded)
    if code == 0:
        return decoded
    text = f"{command}: error {code}"
    if message := redact_remote(decoded.get("msg") or "", secrets):
        text = f"{text}: {message}"
    if code == _THROTTLED:
        raise TooFrequent(SYSTEM, f"Agbis: {text}", retry_after=AGBIS_BLOCK_SECONDS)
    if code in _FOR_NOW:
        raise RemoteUnavailable(SYSTEM, f"Agbis: {text}")
    raise RemoteRejected(SYSTEM, str(code), f"Agbis: {text}")


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _decoded(value: Any, levels: int) -> Any:
    if isinstance(value, str):
        return clean_text(unquote_plus(value) if "%" in value or "+" in value else value)
    if not isinstance(value, dict | list):
        return value
    if levels == 0:
        raise LimitBroken(f"more than {MOST_LEVELS} levels")
    if isinstance(value, dict):
        return {_key(key): _decoded(item, levels - 1) for key, item in value.items()}
    for number, item in enumerate(value):  # in place, so that the rows of a large answer are in memory once
        value[number] = _decoded(item, levels - 1)
    return value


def _key(key: str) -> str:
    return _short_key(key) if len(key) <= _LONGEST_KEY else clean_text(key).lower()


@lru_cache(maxsize=1024)
def _short_key(key: str) -> str:
    return clean_text(key).lower()  # one text for all rows


def _error_number(command: str, answer: Mapping[str, Any]) -> int:
    code = answer.get("error")
    if isinstance(code, int) and not isinstance(code, bool):
        return code
    if isinstance(code, str) and re.fullmatch(r"\s*[0-9]{1,9}\s*", code):
        return int(code)
    raise RemoteProtocolError(SYSTEM, f"Agbis: {command}: the answer has no error number")


def session_ids(command: str, answer: Mapping[str, Any]) -> tuple[str, str]:
    """Return the session id and the refresh id of `Login` or `RefreshSession`; each call makes both new."""
    session_id, refresh_id = text(answer.get("session_id")), text(answer.get("refresh_id"))
    if not session_id:
        raise RemoteProtocolError(SYSTEM, f"Agbis: {command}: no Session_id in the answer")
    return session_id, refresh_id


def text(value: Any) -> str:
    """Return an id, a name or a phone as text; Agbis may send a number or null instead of a string."""
    if value is None or isinstance(value, bool | list | dict):
        return ""
    return str(value).strip()


def kopecks(value: Any) -> int:
    """Read money: `"693942,49"`, `"1500"`, `"12 800,50"`, also with a decimal point or as a JSON number.

    Empty text and None are 0. Source: docs/remote/agbis.md#encoding

    Raises:
        ValueError: The value is not surely a sum; a sum is never guessed.
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
    """Read a local date, with or without its time; None when the value is no date.

    Args:
        value: `15.06.2026`, `15.06.2026 14:30`, `15.06.2026 14:30:00`.
        zone: The dry cleaner's.
        time: The time, when a field of its own has it (`11:04:10`); used when `value` has none.

    Raises:
        ValueError: A date outside of the years 2000 to 2100.
    """
    match = _DATE_TIME.fullmatch(text(value))
    if match is None:
        return None
    if not FIRST_YEAR <= int(match["year"] or match["year2"]) <= LAST_YEAR:
        raise ValueError("not a date of these years")
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
