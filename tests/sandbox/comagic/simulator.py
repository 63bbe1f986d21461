"""A simulator of CoMagic's Data API v2.0 over a small stateful account."""

from collections.abc import Callable
from typing import Any

from tests.sandbox.clock import Clock
from tests.sandbox.comagic.account import Account
from tests.sandbox.comagic.errors import ERRORS, ApiError
from tests.sandbox.comagic.fields import LISTS, REPORTS
from tests.sandbox.comagic.get_methods import encode
from tests.sandbox.comagic.limits import Quota, exceeded
from tests.sandbox.comagic.params import DEAL_SPECS
from tests.sandbox.comagic.store import Communication, HistoryEntry, Sale, Tag
from tests.sandbox.comagic.switches import CoMagicSwitches
from tests.sandbox.comagic.validation import Call, RequestValidator, parse_body
from tests.sandbox.faults import Fault, error_page
from tests.sandbox.local_time import LocalTime
from tests.sandbox.reply import Incoming, Reply
from tests.sandbox.simulator import Simulator, without_secrets

__all__ = ["CoMagic", "CoMagicSwitches", "Communication", "HistoryEntry", "Sale", "Tag"]

JSON = "application/json; charset=utf-8"
Answer = dict[str, Any]
OWN_FAULTS = {
    "error": "the error `mnemonic` (`internal_error`), with `params` of its text; `after`: after the effect",
    "error_unknown_mnemonic": "an error that no document has",
    "limit_exceeded_minute": "the minute's limit is spent; `metadata: false` leaves out how long",
    "limit_exceeded_day": "the day's limit is spent; `metadata: false` leaves out how long",
    "id_mismatch": "the true answer with somebody else's `id`",
    "no_result": "an answer with neither `result` nor `error`",
    "no_data": "a result without `data`",
}


class CoMagic(Simulator, Account):
    """CoMagic as its clients see it.

    Attributes:
        path: Where the API answers.
        switches: Replace it to change the simulator's ways, also in the middle of a run.
        deal_switches: The same for its deals.
        sale_tag_id: Not the number that one customer's account has, so that a constant in a client fails.
        quota: Points; see also `minute_limit`, `day_limit`, `points_used`.
    """

    path = "/v2.0"

    def __init__(
        self,
        clock: Clock,
        *,
        zone: str = "Europe/Moscow",
        token: str = "token",
        login: str = "robot@example.ru",
        password: str = "secret",
        sale_tag_id: int = 2718,
        switches: CoMagicSwitches | None = None,
    ) -> None:
        Simulator.__init__(self, clock)
        local = LocalTime(zone)
        Account.__init__(self, clock, local, sale_tag_id, switches or CoMagicSwitches())
        self.quota = Quota(clock, local)
        self._validator = RequestValidator(clock, self.quota, token, login, password)

    @property
    def minute_limit(self) -> int | None:
        return self.quota.minute_limit

    @minute_limit.setter
    def minute_limit(self, points: int | None) -> None:
        self.quota.minute_limit = points

    @property
    def day_limit(self) -> int | None:
        return self.quota.day_limit

    @day_limit.setter
    def day_limit(self, points: int | None) -> None:
        self.quota.day_limit = points

    @property
    def points_used(self) -> int:
        return self.quota.used

    def _describe(self, incoming: Incoming) -> tuple[str, dict[str, Any]]:
        envelope = parse_body(incoming.body)
        if not isinstance(envelope, dict):
            return "?", {}
        method, params = envelope.get("method"), envelope.get("params")
        return (
            method if isinstance(method, str) else "?",
            without_secrets(params) if isinstance(params, dict) else {},
        )

    def _handle(self, incoming: Incoming) -> tuple[Reply, str]:
        page = _refuse_address(incoming, self.path)
        if page is not None:
            return page, f"http {page.status}"
        envelope = parse_body(incoming.body)
        try:
            call = self._validator.validate(envelope, incoming.address, self.switches)
            answer = self._run(call)
        except ApiError as error:
            if self.deal_switches.error_fields == "absent" and self._describe(incoming)[0] in DEAL_SPECS:
                error.field = None
            return self._error(envelope, error), f"error {error.mnemonic}"
        return Reply(encode(answer), content_type=JSON), "ok"

    def _run(self, call: Call) -> Answer:
        method, params, switches = call.method, call.params, self.switches
        if method == "login.user":
            return _answer(call, {"data": self._validator.login(params), "metadata": {"limits": {}}})
        if method == "logout.user":
            self._validator.sessions.pop(params["access_token"], None)
            return _answer(call, {"data": {}})
        if method == "getobj.account":
            self.quota.spend()
            return _answer(call, {"data": self.key_info(), "metadata": {"version": None} | self._metadata()})
        if method in DEAL_SPECS:
            self.deals.check_account()
        if method in DEAL_SPECS and method not in LISTS:
            done = self.deals.call(method, params)
            self.quota.spend()
            return _answer(call, {"data": done, "metadata": self._metadata()})
        if method.startswith("get."):
            if method in REPORTS:
                rows, total = self._reader.report(method, params, switches)
            else:
                rows, total = self._reader.plain_list(method, self.list_rows(method), params, switches)
            self.quota.spend()
            counted = {"total_items": total, "version": None} | self._metadata()
            key = self.switches.meta_key if method in _META_DATA_PAGES else "metadata"
            return _answer(call, {"data": rows, key: counted})
        data = self._write(method, params)
        self.quota.spend()
        flat = switches.result_shape == "flat"
        return _answer(call, data if flat else {"data": data, "metadata": self._metadata()})

    def _write(self, method: str, params: dict[str, Any]) -> Answer:
        switches = self.switches
        if method == "set.tag_sales":
            return {"id": self._writer.set_sale(params, switches)}
        if method == "set.tag_communications":
            self._writer.set_tag(params, switches)
            return {}
        if method == "unset.tag_communications":
            self._writer.unset_tag(params, switches)
            return {}
        return self._directory.change(method, params)

    def _metadata(self) -> Answer:
        form = self.switches.limits_in_metadata
        if form == "absent":
            return {}
        return {"limits": self.quota.limits() if form == "present" else {}}

    def _error(self, envelope: Any, error: ApiError, metadata: Answer | None = None) -> Reply:
        if metadata is None:
            metadata = {"version": None} | (self._metadata() if error.known_account else {"limits": {}})
        identity = envelope.get("id") if isinstance(envelope, dict) else None
        if self.switches.error_id == "null" or not isinstance(identity, (str, int)):
            identity = None
        answer = {"jsonrpc": "2.0", "id": identity, "error": error.body(metadata, self.switches.edition)}
        limited = error.mnemonic == "limit_exceeded"
        return Reply(encode(answer), self.switches.limit_status if limited else 200, JSON)

    def _special(self, fault: Fault, incoming: Incoming, act: Callable[[], Reply]) -> Reply | None:
        kind, params = fault.kind, fault.params
        envelope = parse_body(incoming.body)
        identity = envelope.get("id") if isinstance(envelope, dict) else None
        done = act() if params.get("after", kind == "id_mismatch") else None
        if kind in ("error", "error_unknown_mnemonic"):
            mnemonic = params.get("mnemonic", "internal_error" if kind == "error" else "something_new")
            if kind == "error" and mnemonic not in ERRORS:
                msg = f"CoMagic has no error {mnemonic!r}"
                raise ValueError(msg)
            shown = _EXAMPLES.get(mnemonic, {}) | {name: params[name] for name in params if name not in _NOT_SHOWN}
            return self._error(envelope, ApiError(mnemonic, params.get("field"), params=shown))
        if kind in ("limit_exceeded_minute", "limit_exceeded_day"):
            return self._limited(envelope, kind.rpartition("_")[2], with_metadata=params.get("metadata", True))
        if kind == "id_mismatch":
            answer = parse_body(done.body) if done else {"jsonrpc": "2.0", "result": {"data": []}}
            return Reply(encode({**answer, "id": "someone-elses"}), content_type=JSON)
        bodies: dict[str, Answer] = {
            "no_result": {},
            "no_data": {"result": {"metadata": {"version": None} | self._metadata()}},
            "empty_success": {"result": self._empty(envelope)},
        }
        if kind not in bodies:
            return None
        return Reply(encode({"jsonrpc": "2.0", "id": identity} | bodies[kind]), content_type=JSON)

    def _limited(self, envelope: Any, kind: str, *, with_metadata: bool) -> Reply:
        limit = (self.minute_limit if kind == "minute" else self.day_limit) or 60
        metadata: Answer = {"version": None, "limits": self.quota.limits()}
        metadata["limits"] |= {f"{kind}_limit": limit, f"{kind}_remaining": 0}
        return self._error(envelope, exceeded(kind, limit), metadata if with_metadata else {})

    def _empty(self, envelope: Any) -> Answer:
        method = envelope.get("method", "") if isinstance(envelope, dict) else ""
        if method.startswith("get."):
            return {"data": [], "metadata": {"total_items": 0, "version": None} | self._metadata()}
        data = {"id": 779999} if method == "set.tag_sales" else {}
        flat = self.switches.result_shape == "flat"
        return data if flat else {"data": data, "metadata": self._metadata()}


_META_DATA_PAGES = ("get.account", "get.sites")
_NOT_SHOWN = ("mnemonic", "after", "field")
# What stands in `params` when the fault does not say.
_EXAMPLES: dict[str, dict[str, Any]] = {
    "limit_exceeded": {"limit_type": "minute", "limit_max_value": 60},
    "ip_not_whitelisted": {"ip": "203.0.113.7"},
    "method_component_disabled": {"components": ["call_tracking", "consultant", "lead", "sitephone"]},
    "parameter_component_disabled": {"components": ["consultant"]},
    "error": {"error_message": "Something has gone wrong"},
    "data_type_error": {"object": None},
}


def _answer(call: Call, result: Answer) -> Answer:
    return {"jsonrpc": "2.0", "id": call.id, "result": result}


def _refuse_address(incoming: Incoming, path: str) -> Reply | None:
    if incoming.path != path:
        return error_page(404, "Not Found")
    if incoming.verb != "POST":
        return error_page(405, "Method Not Allowed")
    # The documents demand a content type; clients that send none, or text/plain, are served all the same.
    return None
