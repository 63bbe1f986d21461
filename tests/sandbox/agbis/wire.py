"""Agbis on the wire: requests as it reads them, values as it writes them."""

import json
import re
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote, unquote_plus
from zoneinfo import ZoneInfo

import msgspec

from tests.sandbox.agbis.model import LONE_SURROGATE
from tests.sandbox.agbis.switches import AgbisSwitches
from tests.sandbox.reply import HTML, JSON, Incoming, Reply

_LONE_SURROGATE = quote(LONE_SURROGATE).encode()
_NOT_COMMANDS = ("SessionID", "callback", "json")
_LITERAL = re.compile(r'"(?:[^"\\]|\\.)*"')
_ESCAPE = re.compile(r"(?:^|[^\\])(?:\\\\)*\\u[0-9a-fA-F]{4}")
_SEPARATORS = {"none": "", "space": " ", "nbsp": "\u00a0", "narrow_nbsp": "\u202f"}
# Only these keys are spelled differently in real accounts: lists, and the ids of sessions.
_MOVABLE_KEYS = frozenset(
    ("orders", "order", "Srvices", "Tovars", "payments", "clients", "order_pays", "Session_id", "Refresh_id")
)


class Refusal(Exception):  # it is an answer
    """An answer with an error code."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


class Page(Exception):  # it is an answer
    """An answer on the level of HTTP."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


@dataclass(frozen=True, slots=True)
class Query:
    """The query string, taken apart: the command, its text once decoded, and what stands beside it."""

    command: str | None
    text: str
    session_id: str | None
    callback: str | None


def split_query(raw: str) -> Query:
    """Find the command: the first key that is none of the known others."""
    command: str | None = None
    values: dict[str, str] = {}
    for part in raw.split("&"):
        key, _, value = part.partition("=")
        if not key:
            continue
        if command is None and key not in _NOT_COMMANDS:
            command = key
        if value or key not in values:  # an empty duplicate of the command is tolerated
            values[key] = unquote_plus(value)
    text = values.get(command, "") if command else ""
    return Query(command, text, values.get("SessionID"), values.get("callback"))


def parse(text: str) -> Any:
    """Parse JSON the way the server does: a string with a \\u escape comes out empty."""
    return json.loads(_LITERAL.sub(lambda m: '""' if _ESCAPE.search(m.group()) else m.group(), text))


def parse_get(text: str) -> dict[str, Any] | None:
    """Parse the parameters of a GET; None when there are none.

    Raises:
        Refusal: 1 when it was encoded twice, 105 when it is no JSON object.
    """
    if not text:
        return None
    try:
        value = parse(text)
    except ValueError:
        if text.lstrip().upper().startswith("%7B"):
            raise Refusal(1, "Ошибка разбора параметров") from None
        raise Refusal(105, "Некорректные данные") from None
    if not isinstance(value, dict):
        raise Refusal(105, "Некорректные данные")
    return value


def parse_post(incoming: Incoming, command: str) -> tuple[dict[str, Any], str | None]:
    """Return the parameters and the session id of a POST body.

    Raises:
        Refusal: 104 when the body does not bear the command, 105 when it is no JSON object.
    """
    if not incoming.headers.get("content-type", "").lower().startswith("application/json"):
        raise Refusal(105, "Некорректные данные: Content-type")
    try:
        body = parse(incoming.body.decode())
    except ValueError:
        raise Refusal(105, "Некорректные данные") from None
    if not isinstance(body, dict):
        raise Refusal(105, "Некорректные данные")
    params = body.get(command)
    if not isinstance(params, dict):
        raise Refusal(104, "Не указаны параметры команды")
    # The documentation percent-encodes the strings of a body, live clients send them raw; both work.
    params = {key: unquote(value) if isinstance(value, str) else value for key, value in params.items()}
    session_id = body.get("SessionID")
    return params, str(session_id) if session_id else None


def parse_moment(text: Any, form: str, zone: ZoneInfo) -> datetime:
    """Read a local date or date-time of exactly this form.

    Raises:
        Refusal: 105.
    """
    try:
        moment = datetime.strptime(str(text), form).replace(tzinfo=zone)
    except ValueError:
        raise Refusal(105, f"Некорректные данные: {text}") from None
    if moment.strftime(form) != text:  # strptime also takes 1.6.2026
        raise Refusal(105, f"Некорректные данные: {text}")
    return moment.astimezone(UTC)


class Writer:
    """Writes values by the switches."""

    def __init__(self, switches: AgbisSwitches, zone: ZoneInfo) -> None:
        self.switches = switches
        self.zone = zone

    def money(self, amount_kopecks: int) -> str:
        whole, cents = divmod(abs(amount_kopecks), 100)
        grouped = f"{whole:,}".replace(",", _SEPARATORS[self.switches.thousands])
        if cents or self.switches.whole_sums == "with_decimals":
            grouped += ("," if self.switches.decimal == "comma" else ".") + f"{cents:02d}"
        return f"-{grouped}" if amount_kopecks < 0 else grouped

    def date(self, moment: datetime) -> str:
        return moment.astimezone(self.zone).strftime("%d.%m.%Y")

    def moment(self, moment: datetime) -> str:
        form = "%d.%m.%Y %H:%M:%S" if self.switches.datetime_seconds else "%d.%m.%Y %H:%M"
        return moment.astimezone(self.zone).strftime(form)

    def reply(self, verb: str, payload: dict[str, Any], callback: str | None, *, deflate: bool) -> Reply:
        """Encode an answer; everything in it except `error` is a string."""
        sw = self.switches
        error = payload.get("error", 0)
        body = {key: value for key, value in payload.items() if key not in ("error", "Msg")}
        wire: dict[str, Any] = {}
        if "error" in payload:
            wire["error"] = str(error) if sw.error_type == "string" else error
        if "Msg" in payload and not (sw.error_msg == "missing" and error):
            wire["Msg"] = payload["Msg"] if sw.error_msg == "plain" else self._encode(payload["Msg"], 0)
        wire.update(self._walk(body))
        raw = msgspec.json.encode(wire).replace(_LONE_SURROGATE, b"\\ud800")
        if callback:
            raw = b"%s(%s)" % (callback.encode(), raw)
        if sw.bom:
            raw = b"\xef\xbb\xbf" + raw
        kind = {"json": JSON, "html": HTML}.get(sw.content_type, HTML if verb == "POST" else JSON)
        if deflate and sw.compressed:
            return Reply(zlib.compress(raw), content_type=kind, headers={"content-encoding": "deflate"})
        return Reply(raw, content_type=kind)

    def _walk(self, payload: dict[str, Any]) -> dict[str, Any]:
        numeric, move = self.switches.numeric_ids, self.switches.key_case != "documented"
        wire: dict[str, Any] = {}
        for key, value in payload.items():
            if not isinstance(value, str):
                shown = self._value(key, value)
            elif numeric and key.endswith("_id") and value.isdecimal():
                shown = int(value)
            elif value.isalnum() and value.isascii():  # most values: a day of a big shop has a million of them
                shown = value
            else:
                shown = self._encode(value, len(key))
            wire[self._key(key) if move else key] = shown
        return wire

    def _value(self, key: str, value: Any) -> Any:
        if isinstance(value, dict):
            return self._walk(value)
        if isinstance(value, list):
            return [self._value(key, item) for item in value]
        return self._encode(value, len(key)) if isinstance(value, str) else value

    def _encode(self, text: str, salt: int) -> str:
        spaces = self.switches.spaces
        if spaces == "mixed":
            spaces = ("plus", "percent")[salt % 2]
        bare_plus = self.switches.phone_plus == "bare" and text.startswith("+")
        return _encoded(text, spaces == "plus", self.switches.colons == "raw", bare_plus)

    def _key(self, key: str) -> str:
        case = self.switches.key_case
        if case == "documented" or key not in _MOVABLE_KEYS:
            return key
        if case == "capitalised":
            return key[0].upper() + key[1:]
        return key.upper() if case == "upper" else key.lower()


@lru_cache(maxsize=100_000)
def _encoded(text: str, plus: bool, raw_colons: bool, bare_plus: bool) -> str:
    safe = ",:" if raw_colons else ","
    coded = quote(text[1:], safe=safe) if bare_plus else quote(text, safe=safe)
    coded = f"+{coded}" if bare_plus else coded
    return coded.replace("%20", "+") if plus else coded
