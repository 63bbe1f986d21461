"""The function `exchange`: POST, GET and DELETE `/api/<id>`, GET `/check_health`."""

from __future__ import annotations

import asyncio
import codecs
import json
import logging
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import NoReturn

from starlette.requests import Request
from starlette.responses import Response

from crm_bridge.domain.card import Card, CardForm, check_card_id
from crm_bridge.errors import InvalidInput, StoreUnavailable
from crm_bridge.handlers.keys import has_key
from crm_bridge.services import ExchangeServices
from crm_bridge.usecases.exchange_card import check_database, delete_card, get_card, post_card

log = logging.getLogger(__name__)

_BODY_LIMIT = 4096  # bytes
_LONGEST_WAIT = timedelta(seconds=25)  # below what proxies and browsers allow a silent answer
_NO_WAIT = timedelta()
_VERBS = ("GET", "HEAD", "POST", "DELETE", "OPTIONS")
_VERBS_OF_HEALTH = ("GET", "HEAD", "OPTIONS")
_HEADERS = [(b"content-type", b"application/json; charset=utf-8"), (b"cache-control", b"no-store")]

# Matches the path as it was sent: decoded, `a%2Fb` would look like two segments and `%61` like an id.
_PATH = re.compile(rb"/api/([^/]+)/?")
_HEALTH = (b"/check_health", b"/check_health/")
_SECONDS = re.compile(r"[0-9]{1,2}(\.[0-9]{1,6})?")


async def handle(request: Request, services_factory: Callable[[], ExchangeServices]) -> Response:
    """Answer one request; of a failure of ours only the log has the reason, and where the database is.

    Path and verb are checked first, then the key, then id, parameters and body: an answer without the key says
    nothing about cards.
    """
    method = request.method
    try:
        response = await _route(request, services_factory())
    except StoreUnavailable as exc:
        log.error("request_failed", extra={"status": 503, "reason": str(exc), "kind": type(exc).__name__})
        response = _unavailable(exc)
    except Exception:
        log.exception("request_failed")
        response = _json(500, {"Error": "Internal error"})
    if method == "HEAD":
        response = _without_body(response)
    # Not the id: people use the caller's number as one.
    log.debug("exchange_answered", extra={"verb": method, "status": response.status_code})
    return response


async def _route(request: Request, services: ExchangeServices) -> Response:
    path = _raw_path(request)
    card_path = _PATH.fullmatch(path)
    if not card_path and path not in _HEALTH:
        return _json(404, {"Error": "Not found"})
    if (answer := _answer_to_verb(request.method, _VERBS if card_path else _VERBS_OF_HEALTH)) is not None:
        return answer
    if not card_path:  # without a key: it says nothing about cards
        await check_database(services)
        return _json(200, {"status": "ok"})
    key = services.settings.exchange_api_key
    if key is not None and not has_key(request, key):
        response = _json(401, {"Error": "Unauthorized"})
        response.headers["WWW-Authenticate"] = "Bearer"
        return response
    card_id = card_path[1].decode("latin-1")
    match request.method:
        case "POST":
            return await _post(request, card_id, services)
        case "DELETE":
            return await _delete(card_id, services)
        case _:
            return await _get(request, card_id, services)


def _answer_to_verb(method: str, allowed: tuple[str, ...]) -> Response | None:
    """Answer a verb that needs no card, or that the path does not take."""
    if method == "OPTIONS":
        return Response(status_code=204, headers={"Allow": ", ".join(allowed), "Cache-Control": "no-store"})
    if method not in allowed:
        response = _json(405, {"Error": "Method not allowed"})
        response.headers["Allow"] = ", ".join(allowed)
        return response
    return None


async def _post(request: Request, card_id: str, services: ExchangeServices) -> Response:
    try:
        check_card_id(card_id)
        body = await _body(request)
        if len(body) > _BODY_LIMIT:
            return _json(413, {"result": f"Invalid form submission, must be at most {_BODY_LIMIT} bytes"})
        form = CardForm.read(_fields(body))
    except InvalidInput as exc:
        return _json(400, {"result": f"Invalid form submission, {exc}"})
    await post_card(card_id, form, services)
    return _OK


async def _delete(card_id: str, services: ExchangeServices) -> Response:
    try:
        check_card_id(card_id)
    except InvalidInput as exc:
        return _json(400, {"Error": str(exc)})
    await delete_card(card_id, services)
    return _OK


async def _get(request: Request, card_id: str, services: ExchangeServices) -> Response:
    try:
        check_card_id(card_id)
        wait = _wait(request)
    except InvalidInput as exc:
        return _json(400, {"Error": str(exc)})
    if wait:
        card = await _get_unless_gone(request, card_id, services, wait=wait)
    else:
        card = await get_card(card_id, services, wait=_NO_WAIT)
    if card is None:
        return _json(400, {"Error": f"No data for id = {card_id}"})
    return _json(200, card.body)


async def _get_unless_gone(
    request: Request, card_id: str, services: ExchangeServices, *, wait: timedelta
) -> Card | None:
    """Wait for a card, at most until the client goes away: functions-framework does not cancel a request then."""
    search = asyncio.create_task(get_card(card_id, services, wait=wait))
    gone = asyncio.create_task(_gone(request))
    try:
        await asyncio.wait({search, gone}, return_when=asyncio.FIRST_COMPLETED)
        return search.result() if search.done() else None
    finally:
        search.cancel()
        gone.cancel()
        await asyncio.gather(search, gone, return_exceptions=True)


async def _gone(request: Request) -> None:
    """Return when the client has gone; a body, which a GET should not have, is skipped."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _raw_path(request: Request) -> bytes:
    raw_path = request.scope.get("raw_path")
    if isinstance(raw_path, bytes):
        return raw_path
    return str(request.scope["path"]).encode("utf-8", "replace")  # servers need not give the raw path


def _wait(request: Request) -> timedelta:
    """Read `wait`; other parameters are ignored, since browsers and panels add some against caches."""
    if not request.scope["query_string"]:
        return _NO_WAIT
    values = request.query_params.getlist("wait")
    if not values:
        return _NO_WAIT
    wait = timedelta(seconds=float(values[0])) if _SECONDS.fullmatch(values[0]) else None
    if wait is None or len(values) > 1 or wait > _LONGEST_WAIT:
        raise InvalidInput("wait: must be a number of seconds from 0 to 25")
    return wait


async def _body(request: Request) -> bytes:
    """Read the body until its end, or until it is too large; Content-Length is not trusted."""
    body = b""
    more = True
    while more and len(body) <= _BODY_LIMIT:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            return b""  # a body that was cut off is no form, even if it looks like one
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


def _not_json(constant: str) -> NoReturn:
    raise ValueError(constant)


_DECODER = json.JSONDecoder(parse_constant=_not_json)  # NaN and Infinity are Python's, not JSON's
_to_json = json.JSONEncoder(ensure_ascii=False).encode  # `json.dumps` would make an encoder each time


def _fields(body: bytes) -> Mapping[str, object]:
    try:
        # Decoded here: `json.loads` would take UTF-16 and surrogates in bytes. Windows writes a byte order mark.
        fields = _DECODER.decode(body.removeprefix(codecs.BOM_UTF8).decode())
    except (ValueError, RecursionError):  # RecursionError: 4 KiB of brackets
        fields = None
    if not isinstance(fields, dict):
        raise InvalidInput("must be a JSON object in UTF-8")
    return fields


def _json(status: int, content: Mapping[str, str]) -> Response:
    response = Response(_to_json(content), status)
    response.raw_headers += _HEADERS
    return response


_OK = _json(200, {"result": "OK"})  # one object for all requests: nothing changes it


def _unavailable(exc: StoreUnavailable) -> Response:
    response = _json(503, {"Error": f"The database cannot be used: {exc.cause}"})
    if exc.retry_after is not None:
        response.headers["Retry-After"] = str(exc.retry_after)
    return response


def _without_body(response: Response) -> Response:
    """Return the answer to HEAD: the same headers, the body's length among them."""
    return Response(b"", response.status_code, response.headers)
