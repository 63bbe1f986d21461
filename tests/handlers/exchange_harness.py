"""What the tests of the exchange share: a store in memory, and an ASGI call as a server would make it."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from starlette.requests import Request

from crm_bridge.clock import Clock
from crm_bridge.domain.card import Card
from crm_bridge.handlers.exchange import handle
from crm_bridge.ports import CardStore
from crm_bridge.services import ExchangeServices
from crm_bridge.settings import Settings
from tests.sandbox.clock import ManualClock

Message = MutableMapping[str, Any]
AsgiApp = Callable[[Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]

DOCUMENTED_AT = datetime(2017, 4, 2, 21, 59, 53, 667318, tzinfo=UTC)  # the documented answer's moment, 00:59 in Moscow
JOHN = {"name": "John Doe", "phone": "9156685347", "arpu": "4570", "soc_tariff": "TESTSOC"}


class MemoryCards:
    """A CardStore for tests of the handler and the use case."""

    def __init__(self) -> None:
        self.cards: dict[str, Card] = {}
        self.waiting = 0
        self._changed = asyncio.Condition()

    async def put(self, card: Card) -> None:
        async with self._changed:
            self.cards[card.card_id] = card
            self._changed.notify_all()

    async def get(self, card_id: str, *, now: datetime) -> Card | None:
        card = self.cards.get(card_id)
        return card if card and now < card.expires_at else None

    async def delete(self, card_id: str) -> None:
        self.cards.pop(card_id, None)

    async def wait(self, card_id: str, *, now: Callable[[], datetime], seconds: float) -> Card | None:
        self.waiting += 1
        try:
            async with asyncio.timeout(seconds), self._changed:
                while not (card := await self.get(card_id, now=now())):
                    await self._changed.wait()
                return card
        except TimeoutError:
            return None
        finally:
            self.waiting -= 1


def services(cards: CardStore, clock: Clock | None = None, **env: str) -> ExchangeServices:
    return ExchangeServices(settings=Settings.from_env(env), clock=clock or ManualClock(DOCUMENTED_AT), cards=cards)


def app(given: ExchangeServices) -> AsgiApp:
    """Serve the handler alone: a framework between server and handler could hide a fault."""

    async def serve(scope: Message, receive: Any, send: Any) -> None:
        response = await handle(Request(scope, receive), lambda: given)
        await response(scope, receive, send)

    return serve


@dataclass
class Answer:
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    bytes_taken: int = 0

    def json(self) -> Any:
        return json.loads(self.body)


async def ask(
    serve: AsgiApp,
    method: str,
    target: str | bytes,
    *,
    body: bytes | Iterable[bytes | None] = b"",
    headers: Iterable[tuple[bytes, bytes]] = (),
    gone: asyncio.Event | None = None,
) -> Answer:
    """Send one request as uvicorn would hand it over, the target as it stands on the wire.

    Args:
        body: Whole, or in the pieces in which it arrives; the connection is cut after a last piece of None.
        gone: Set when the client goes away.
    """
    raw_path, _, query = (target.encode() if isinstance(target, str) else target).partition(b"?")
    scope: Message = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "http",
        "server": ("127.0.0.1", 8080),
        "client": ("127.0.0.1", 5000),
        "root_path": "",
        "method": method,
        "path": unquote(raw_path.decode("latin-1")),
        "raw_path": raw_path,
        "query_string": query,
        "headers": [(b"host", b"localhost"), *headers],
    }
    pieces: list[bytes | None] = [body] if isinstance(body, bytes) else list(body)
    answer = Answer()

    async def receive() -> Message:
        if pieces:
            piece = pieces.pop(0)
            if piece is None:
                return {"type": "http.disconnect"}
            answer.bytes_taken += len(piece)
            return {"type": "http.request", "body": piece, "more_body": bool(pieces)}
        await (gone or asyncio.Event()).wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            answer.body += message.get("body", b"")

    await serve(scope, receive, send)
    return answer


async def post(serve: AsgiApp, card_id: str, form: object) -> Answer:
    return await ask(serve, "POST", f"/api/{card_id}", body=json.dumps(form).encode())


async def get(serve: AsgiApp, card_id: str) -> Answer:
    return await ask(serve, "GET", f"/api/{card_id}")
