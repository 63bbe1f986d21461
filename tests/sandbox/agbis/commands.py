"""The commands of Agbis: what each needs and what it answers."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any

from tests.sandbox.agbis.model import STATUS_NAMES, Client, Order
from tests.sandbox.agbis.prices import DIRECTORIES, PRICE_LISTS, RETAIL, SERVICE, price_rows, tree_rows
from tests.sandbox.agbis.rows import client_info, client_row, flows, full_order, order_pay_row, order_row, service_rows
from tests.sandbox.agbis.sessions import Session, Sessions
from tests.sandbox.agbis.shop import Shop
from tests.sandbox.agbis.wire import Page, Refusal, Writer, parse_moment
from tests.sandbox.faults import error_page

Params = dict[str, Any]
Answer = dict[str, Any]
MINUTE = "%d.%m.%Y %H:%M"
DAY = "%d.%m.%Y"


@dataclass(frozen=True, slots=True)
class Command:
    """A command: the function that answers it, and what a request needs."""

    run: "Callable[[Commands, Params], Answer]"
    post: bool = False
    session: bool = True
    needs: tuple[str, ...] = ()
    database: bool = True


class Commands:
    """Answers commands from the data of the shop; session and form have been checked before."""

    def __init__(self, shop: Shop, sessions: Sessions, user: str, password: str) -> None:
        self.shop = shop
        self.sessions = sessions
        self.user = user
        # The API itself wants SHA-1: it is part of the protocol, not a choice.
        self.password_hash = hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest()

    @property
    def writer(self) -> Writer:
        return Writer(self.shop.switches, self.shop.zone)

    def login(self, params: Params) -> Answer:
        now, sw = self.shop.clock.now(), self.shop.switches
        if self.sessions.login_blocked(now, sw.login_guard_seconds):
            raise throttled(sw.throttle_form)
        good = params["User"] == self.user and params["Pwd"] == self.password_hash and params["AsUser"] == "1"
        if not good:
            raise Refusal(sw.wrong_credentials_code, "Не авторизован")
        return _session(self.sessions.open(now, sw)) | {"User_ID": "1022"}

    def refresh_session(self, params: Params) -> Answer:
        session = self.sessions.refresh(str(params["Refresh_ID"]), self.shop.clock.now(), self.shop.switches)
        if isinstance(session, int):
            raise Refusal(session, "Сессия не найдена")
        return _session(session)

    def valid_session_id(self, _params: Params) -> Answer:
        return {"error": 0, "contr_id": "123"}

    def logout(self, params: Params) -> Answer:
        self.sessions.close(params["SessionID"])
        return {"error": 0}

    def order_by_date_time(self, params: Params) -> Answer:
        start, end = self._minutes(params)
        found = [order for order in list(self.shop.orders.values()) if start <= order.update < end]
        found.sort(key=lambda order: order.update)
        return self._orders(found, with_update=True)

    def orders_between(self, params: Params) -> Answer:
        start, end = self._days(params)
        if self.shop.switches.orders_between_by == "doc_date":
            found = [o for o in list(self.shop.orders.values()) if start <= o.doc_date < end]
        else:
            orders = list(self.shop.orders.values())
            found = [o for o in orders if any(start <= p.at < end for p in o.payments)]
        found.sort(key=lambda order: order.doc_date)
        return self._orders(found, with_update=False)

    def order_pays_between(self, params: Params) -> Answer:
        start, end = self._days(params)
        writer = self.writer
        rows = [
            order_pay_row(order, self.shop.clients[order.client_id], flow, writer)
            for order in list(self.shop.orders.values())
            for flow in flows(order, writer)
            if start <= flow[0].at < end
        ]
        return {"error": 0, "order_pays": self._arranged(rows)}

    def clients_by_date_time(self, params: Params) -> Answer:
        start, end = self._minutes(params)
        found = [client for client in list(self.shop.clients.values()) if start <= client.update < end]
        found.sort(key=lambda client: client.update)
        writer = self.writer
        return {"error": 0, "clients": self._arranged([client_row(client, writer) for client in found])}

    def full_order_info(self, params: Params) -> Answer:
        order = self.shop.orders.get(str(params["dor_id"]))
        if order is not None:
            return {"error": 0} | full_order(order, self.writer)
        if self.shop.switches.not_found_form == "error_1":
            raise Refusal(1, "Заказ не найден")
        lists = ("order_services", "order_payments", "order_comments", "order_plans", "order_signs")
        return {"error": 0, "dor_id": "", "order_dop_info": {}} | {name: [] for name in lists}

    def order_info(self, params: Params) -> Answer:
        order = self.shop.orders.get(str(params["dor_id"]))
        if order is None:
            if self.shop.switches.not_found_form == "error_1":
                raise Refusal(1, "Заказ не найден")
            return {"error": 0, "order": {}}
        full = full_order(order, self.writer)
        info = full["order_dop_info"] | {"dor_id": order.id, "contr_id": order.client_id}
        return {"error": 0, "order": info | {"Srvices": service_rows(order, self.writer), "Tovars": []}}

    def contr_info(self, params: Params) -> Answer:
        client = self.shop.clients.get(str(params["contr_id"]))
        return self._client(client if client and not client.is_deleted else None)

    def contrag_info(self, params: Params) -> Answer:
        phone = str(params["teleph_cell"])
        if not phone.startswith("+"):
            raise Refusal(1, "Клиент не найден")
        alive = (client for client in list(self.shop.clients.values()) if not client.is_deleted)
        client = next((c for c in alive if c.phone and _digits(c.phone) == _digits(phone)), None)
        if client is None:
            return self._client(None)
        row = {"contr_id": client.id, "name": client.name, "fullname": client.name, "teleph_cell": client.phone}
        return {"error": 0} | row | {"email": "", "folder_id": "0", "discount": "0", "gender": "-1"}

    def status_order(self, params: Params) -> Answer:
        number = str(params["doc_num"])
        order = next((o for o in list(self.shop.orders.values()) if o.number == number), None)
        if order is None:
            raise Refusal(1, "Заказ не найден")
        return {"error": 0, "Msg": STATUS_NAMES[order.status], "sclad_to": "1", "status_id": str(order.status)}

    def api_version(self, _params: Params) -> Answer:
        return {"api_version": "1.3"}

    def executed_api_count(self, _params: Params) -> Answer:
        today = self.writer.date(self.shop.clock.now())
        return {"error": 0, "date_list": [{"date": today, "count": "0"}]}

    def price_list(self, params: Params) -> Answer:
        """Answer with the retail list, services only, unless asked otherwise; other lists are empty."""
        known = str(params.get("price_id", RETAIL)) == RETAIL
        rows = price_rows(self.writer, str(params.get("tovar_type", SERVICE))) if known else []
        return {"error": 0, "price_list": rows}

    def price_tree(self, params: Params) -> Answer:
        wanted = params.get("id")
        if wanted is None and self.shop.switches.price_tree_without_id == "error_105":
            raise Refusal(105, "Некорректные данные: id")
        return {"error": 0, "price": tree_rows() if str(wanted or RETAIL) == RETAIL else []}

    def price_lists(self, _params: Params) -> Answer:
        return {"error": 0, "price_lists": PRICE_LISTS}

    def last_change_order(self, _params: Params) -> Answer:
        """Answer with an empty list, as the real one always does."""
        return {"error": 0, "last_orders": []}

    def _client(self, client: Client | None) -> Answer:
        if client is None and self.shop.switches.not_found_form == "error_1":
            raise Refusal(1, "Клиент не найден")
        orders = list(self.shop.orders.values()) if client else []
        owned = [order for order in orders if client and order.client_id == client.id]
        return {"error": 0} | client_info(client, self.writer, orders=owned)

    def _orders(self, orders: Iterable[Order], *, with_update: bool) -> Answer:
        writer = self.writer
        rows = [order_row(order, writer, with_update=with_update) for order in orders]
        return {"error": 0, self.shop.switches.orders_key: self._arranged(rows)}

    def _arranged(self, rows: list[Answer]) -> list[Answer]:
        return rows[::-1] if self.shop.switches.row_order == "reversed" else rows

    def _minutes(self, params: Params) -> tuple[datetime, datetime]:
        start = parse_moment(params["StartDate"], MINUTE, self.shop.zone)
        end = parse_moment(params["StopDate"], MINUTE, self.shop.zone)
        self._refuse(start, end)
        inclusive = self.shop.switches.window_end == "inclusive"
        return start, end + timedelta(minutes=1) if inclusive else end

    def _days(self, params: Params) -> tuple[datetime, datetime]:
        zone = self.shop.zone
        start = parse_moment(params["StartDate"], DAY, zone)
        last = parse_moment(params["StopDate"], DAY, zone)
        self._refuse(start, last)
        after = last.astimezone(zone).date() + timedelta(days=1)
        return start, datetime.combine(after, time(), zone).astimezone(UTC)

    def _refuse(self, start: datetime, end: datetime) -> None:
        if end < start:
            raise Refusal(105, "Некорректные данные: StopDate")
        if end - start > timedelta(days=self.shop.switches.max_window_days):
            raise Page(error_page(504, "Gateway Time-out"))


def throttled(form: str) -> Refusal | Page:
    """Return the answer to a caller who asks too often."""
    if form == "error_102":
        return Refusal(102, "Слишком частые запросы")
    return Page(error_page(429, "Too Many Requests"))


def _session(session: Session) -> Answer:
    return {"error": 0, "Session_id": session.id, "Refresh_id": session.refresh_id}


def _digits(phone: str) -> str:
    return "".join(char for char in phone if char.isdecimal())


def _directory(key: str, rows: list[Answer]) -> Callable[[Commands, Params], Answer]:
    return lambda _commands, _params: {"error": 0, key: rows}


_WINDOW = ("StartDate", "StopDate")
COMMANDS: dict[str, Command] = {
    "Login": Command(Commands.login, session=False, needs=("User", "Pwd", "AsUser")),
    "RefreshSession": Command(Commands.refresh_session, session=False, needs=("Refresh_ID",)),
    "ValidSessionID": Command(Commands.valid_session_id),
    "Logout": Command(Commands.logout),
    "OrderByDateTimeForAll": Command(Commands.order_by_date_time, post=True, needs=_WINDOW),
    "OrdersBetweenForAll": Command(Commands.orders_between, post=True, needs=_WINDOW),
    "OrderPaysBetweenForAll": Command(Commands.order_pays_between, post=True, needs=_WINDOW),
    "ClientsByDateTimeForAll": Command(Commands.clients_by_date_time, post=True, needs=_WINDOW),
    "FullOrderInfo": Command(Commands.full_order_info, needs=("dor_id",)),
    "OrderInfoForAll": Command(Commands.order_info, needs=("dor_id",)),
    "ContrInfoForAll": Command(Commands.contr_info, needs=("contr_id",)),
    "ContragInfoForAll": Command(Commands.contrag_info, needs=("teleph_cell",)),
    "GetStatusOrder": Command(Commands.status_order, session=False, needs=("doc_num",)),
    "PriceList": Command(Commands.price_list, session=False),
    "PriceTree": Command(Commands.price_tree, session=False),
    "PriceLists": Command(Commands.price_lists),
    "LastChangeOrder": Command(Commands.last_change_order),
    "api_version": Command(Commands.api_version, session=False, database=False),
    "ExecutedApiCount": Command(Commands.executed_api_count, session=False, database=False),
}
for _name, (_key, _rows) in DIRECTORIES.items():
    COMMANDS[_name] = Command(_directory(_key, _rows), session=False)
# An empty success of each command, for the fault `empty_success`.
EMPTY: dict[str, Answer] = {
    "OrderByDateTimeForAll": {"orders": []},
    "OrdersBetweenForAll": {"orders": []},
    "OrderPaysBetweenForAll": {"order_pays": []},
    "ClientsByDateTimeForAll": {"clients": []},
}
