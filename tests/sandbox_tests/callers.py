"""Plain clients of the simulators, written from the fact sheets and sharing nothing with our clients."""

import hashlib
import json
from typing import Any
from urllib.parse import quote, unquote_plus

import httpx

from tests.sandbox.agbis.simulator import Agbis
from tests.sandbox.comagic.simulator import CoMagic
from tests.sandbox.transport import SandboxTransport


def decoded(value: Any) -> Any:
    """Decode the strings of an answer of Agbis, once."""
    if isinstance(value, str):
        return unquote_plus(value)
    if isinstance(value, list):
        return [decoded(item) for item in value]
    if isinstance(value, dict):
        return {key: decoded(item) for key, item in value.items()}
    return value


def coded(params: Any) -> str:
    """Encode parameters for a query, once."""
    return quote(json.dumps(params, ensure_ascii=False, separators=(",", ":")), safe="")


class AgbisCaller:
    """Asks Agbis."""

    def __init__(self, agbis: Agbis) -> None:
        self.agbis = agbis
        self.session_id = ""
        self.refresh_id = ""

    async def send(self, verb: str, path: str, **kwargs: Any) -> httpx.Response:
        """Send a request to the host as it is."""
        transport = SandboxTransport(self.agbis.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://himinfo.example", trust_env=False) as http:
            return await http.request(verb, path, **kwargs)

    async def raw(self, query: str, *, verb: str = "GET", **kwargs: Any) -> httpx.Response:
        return await self.send(verb, f"{self.agbis.base_path}?{query}", **kwargs)

    async def get(self, command: str, params: Any = None, *, session_id: str | None = None) -> Any:
        query = command if params is None else f"{command}={coded(params)}"
        sid = self.session_id if session_id is None else session_id
        return await self.answer(f"{query}&SessionID={sid}" if sid else query)

    async def post(self, command: str, **params: Any) -> Any:
        body = {command: params, "SessionID": self.session_id}
        text = json.dumps(body, ensure_ascii=False)
        return await self.answer(command, verb="POST", content=text, headers=POST_HEADERS)

    async def answer(self, query: str, *, verb: str = "GET", **kwargs: Any) -> Any:
        response = await self.raw(query, verb=verb, **kwargs)
        assert response.status_code == 200, response.text
        return decoded(json.loads(response.content.decode("utf-8-sig")))

    async def login(self, password: str = "secret", user: str = "api") -> Any:
        answer = await self.answer(f"Login={coded(credentials(password, user))}")
        if answer["error"] in (0, "0"):
            self.keep(answer)
        return answer

    async def refresh(self, refresh_id: str | None = None) -> Any:
        answer = await self.answer(f"RefreshSession={coded({'Refresh_ID': refresh_id or self.refresh_id})}")
        if answer["error"] in (0, "0"):
            self.keep(answer)
        return answer

    def keep(self, answer: Any) -> None:
        folded = {key.lower(): value for key, value in answer.items()}
        self.session_id, self.refresh_id = folded["session_id"], folded["refresh_id"]

    async def orders(self, start: str = "15.06.2026 00:00", stop: str = "15.06.2026 23:59") -> list[Any]:
        if not self.session_id:
            await self.login()
        answer = await self.post("OrderByDateTimeForAll", StartDate=start, StopDate=stop)
        rows: list[Any] = next(value for key, value in answer.items() if key.lower() in ("orders", "order"))
        return rows


POST_HEADERS = {"Content-type": "application/json; charset=UTF-8"}


def credentials(password: str = "secret", user: str = "api") -> dict[str, str]:
    return {"User": user, "Pwd": hashlib.sha1(password.encode()).hexdigest(), "AsUser": "1"}


class CoMagicCaller:
    """Asks CoMagic."""

    def __init__(self, comagic: CoMagic) -> None:
        self.comagic = comagic

    async def send(self, body: Any, *, verb: str = "POST", path: str = "/v2.0", **kwargs: Any) -> httpx.Response:
        """Send a body, JSON or bytes, as it is."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = kwargs.pop("headers", {"Content-Type": "application/json; charset=UTF-8"})
        transport = SandboxTransport(self.comagic.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://dataapi.example", trust_env=False) as http:
            return await http.request(verb, path, content=content, headers=headers)

    async def answer(self, method: str, **params: Any) -> Any:
        response = await self.send(envelope(method, **params))
        assert response.status_code == 200
        return response.json()

    async def result(self, method: str, **params: Any) -> Any:
        answer = await self.answer(method, **params)
        assert "error" not in answer, answer
        return answer["result"]

    async def error(self, method: str, **params: Any) -> Any:
        answer = await self.answer(method, **params)
        return answer["error"]

    async def mnemonic(self, method: str, **params: Any) -> str:
        error = await self.error(method, **params)
        return str(error["data"]["mnemonic"])

    async def rows(self, method: str = "get.calls_report", **params: Any) -> list[Any]:
        result = await self.result(method, **JUNE | params)
        rows: list[Any] = result["data"]
        return rows

    async def row(self, communication_id: int, method: str = "get.calls_report") -> Any:
        name = "id" if method == "get.communications_report" else "communication_id"
        fields = [name, "tags", "sale_date", "sale_cost"]
        rows = await self.rows(method, fields=fields)
        return next(row for row in rows if row[name] == communication_id)

    async def sell(self, communication_id: int, value: Any = 3200, **params: Any) -> Any:
        return await self.answer("set.tag_sales", **sale(communication_id, value, **params))

    async def unsell(self, communication_id: int, kind: str = "call") -> Any:
        return await self.answer(
            "unset.tag_communications",
            communication_id=communication_id,
            communication_type=kind,
            tag_id=self.comagic.sale_tag_id,
        )


JUNE = {"date_from": "2026-06-01 00:00:00", "date_till": "2026-06-15 23:59:59"}


def sale(communication_id: int, value: Any = 3200, **params: Any) -> dict[str, Any]:
    return {
        "communication_id": communication_id,
        "communication_type": "call",
        "date_time": "2026-06-15 11:30:00",
        "transaction_value": value,
        **params,
    }


def envelope(method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": "c2f1e0", "method": method, "params": {"access_token": "token", **params}}
