"""A simulator of the CRM Agbis: its HTTP API over a small stateful dry cleaner."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from tests.sandbox.agbis.commands import COMMANDS, EMPTY, Commands, throttled
from tests.sandbox.agbis.model import Client, Line, Order, Payment
from tests.sandbox.agbis.sessions import Sessions
from tests.sandbox.agbis.shop import Shop
from tests.sandbox.agbis.switches import AgbisSwitches
from tests.sandbox.agbis.wire import Page, Query, Refusal, parse, parse_get, parse_post, split_query
from tests.sandbox.clock import Clock
from tests.sandbox.faults import Fault, error_page
from tests.sandbox.reply import HTML, Incoming, Reply
from tests.sandbox.simulator import Simulator, without_secrets

__all__ = ["Agbis", "AgbisSwitches", "Client", "Line", "Order", "Payment"]
OWN_FAULTS = {
    "error": "the error `code` (108) with `msg`, nothing is done",
    "error_as_string": "the same, the code a string",
    "http_403_json": "status 403 with JSON",
    "no_orders_key": "a success without its list",
    "bom": "the true answer behind a byte order mark",
    "wrong_content_type": "the true answer, said to be text in windows-1251",
    "session_lost": "all sessions are forgotten before the request",
}


class Agbis(Simulator, Shop):
    """Agbis as its clients see it.

    Attributes:
        base_path: Where the API answers.
        switches: Replace them to change the behaviour, also in the middle of a run.
        orders: By id, plain data.
        clients: By id, plain data.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        zone: str = "Europe/Moscow",
        user: str = "api",
        password: str = "secret",
        path: str = "demo_clean",
        switches: AgbisSwitches | None = None,
    ) -> None:
        Simulator.__init__(self, clock)
        Shop.__init__(self, clock, zone, switches or AgbisSwitches())
        self.base_path = f"/cl/{path}/api/"
        self.sessions = Sessions()
        self._commands = Commands(self, self.sessions, user, password)
        self._last_data: datetime | None = None

    def expire_sessions(self) -> None:
        """Let every session's ten minutes be over."""
        self.sessions.expire_now(self.clock.now())

    def _describe(self, incoming: Incoming) -> tuple[str, dict[str, Any]]:
        query = split_query(incoming.query)
        command = query.command or "?"
        try:
            if command in COMMANDS and COMMANDS[command].post:
                params = parse(incoming.body.decode()).get(command)
            else:
                params = parse(query.text)
        except (ValueError, AttributeError):
            params = None
        return command, without_secrets(params) if isinstance(params, dict) else {}

    def _handle(self, incoming: Incoming) -> tuple[Reply, str]:
        query = split_query(incoming.query)
        try:
            self._refuse_address(incoming)
            payload = self._run(incoming, query)
        except Page as page:
            return page.reply, f"http {page.reply.status}"
        except Refusal as refusal:
            payload = {"error": refusal.code, "Msg": refusal.text}
        code = payload.get("error", 0)
        return self._write(incoming, query, payload), f"error {code}" if code else "ok"

    def _refuse_address(self, incoming: Incoming) -> None:
        host = incoming.headers.get("host", "")
        if host.startswith("www."):
            # As on the real host: a POST that follows it loses its body.
            location = f"//{host[4:]}{incoming.path}?{incoming.query}"
            raise Page(Reply(b"", status=301, content_type=HTML, headers={"location": location}))
        if incoming.path not in (self.base_path, self.base_path[:-1], f"{self.base_path}index.php"):
            raise Page(error_page(404, "Not Found"))
        if incoming.verb not in ("GET", "POST"):
            raise Page(error_page(405, "Method Not Allowed"))

    def _run(self, incoming: Incoming, query: Query) -> dict[str, Any]:
        command = COMMANDS.get(query.command or "")
        if command is None or query.command is None:
            raise Refusal(103, "Неизвестная команда")
        if self.switches.database_down and command.database:
            raise Refusal(108, "Сервер недоступен!")
        params: dict[str, Any] | None
        if command.post:
            if incoming.verb != "POST":
                raise Refusal(104, "Не указаны параметры команды")
            params, session_id = parse_post(incoming, query.command)
        else:
            params, session_id = parse_get(query.text), query.session_id
        if command.session:
            self._check_session(session_id)
            self._check_pace()
        params = dict(params or {})
        if any(name not in params for name in command.needs):
            raise Refusal(104, "Не указаны параметры команды")
        if query.command == "Logout":
            params["SessionID"] = session_id
        if command.post and "callback_address" in params:
            if not str(params["callback_address"]).startswith("https://"):
                raise Refusal(105, "Некорректные данные: callback_address")
            return {"error": 0, "Msg": "Запрос поставлен в очередь"}
        return command.run(self._commands, params)

    def _check_session(self, session_id: str | None) -> None:
        code = self.sessions.check(session_id, self.clock.now(), self.switches)
        if code:
            texts = {2: "Не авторизован", 3: "Сессия истекла"}
            raise Refusal(code, texts.get(code, "Неверный SessionID"))

    def _check_pace(self) -> None:
        gap, now, last = self.switches.min_gap_seconds, self.clock.now(), self._last_data
        if gap and last is not None and now - last < timedelta(seconds=gap):
            raise throttled(self.switches.throttle_form)
        self._last_data = now

    def _write(self, incoming: Incoming, query: Query, payload: dict[str, Any]) -> Reply:
        deflate = "deflate" in incoming.headers.get("accept-encoding", "")
        return self._commands.writer.reply(incoming.verb, payload, query.callback, deflate=deflate)

    def _special(self, fault: Fault, incoming: Incoming, act: Callable[[], Reply]) -> Reply | None:
        query = split_query(incoming.query)
        kind, params = fault.kind, fault.params
        if kind in ("error", "error_as_string"):
            code = params.get("code", 108)
            payload: dict[str, Any] = {"error": str(code) if kind == "error_as_string" else code}
            if "msg" in params or "code" not in params:
                payload["Msg"] = params.get("msg", "Сервер недоступен!")
            return self._write(incoming, query, payload)
        if kind == "empty_success":
            return self._write(incoming, query, {"error": 0} | EMPTY.get(query.command or "", {}))
        if kind == "http_403_json":
            return Reply(b'{"error":403,"Msg":"Forbidden"}', status=403)
        if kind == "no_orders_key":
            return self._write(incoming, query, {"error": 0, "Msg": ""})
        if kind == "bom":
            reply = act()
            return Reply(b"\xef\xbb\xbf" + reply.body, reply.status, reply.content_type, reply.headers)
        if kind == "wrong_content_type":
            reply = act()
            return Reply(reply.body, reply.status, "text/plain; charset=windows-1251", reply.headers)
        if kind == "session_lost":
            self.sessions.forget()
            return act()
        return None
