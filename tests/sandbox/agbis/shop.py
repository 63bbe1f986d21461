"""The business of the dry cleaner: every event that a test can make happen."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, time
from itertools import count
from zoneinfo import ZoneInfo

from tests.sandbox.agbis.model import CANCELLED, SPOILS, Client, Line, Order, Payment
from tests.sandbox.agbis.switches import AgbisSwitches
from tests.sandbox.clock import Clock
from tests.sandbox.money import Roubles, kopecks

Priced = tuple[str, Roubles]


class Shop:
    """Clients and orders.

    In every event `at` is when it happens, now when left out; it becomes the order's or client's `update` unless
    that is later already. `at_update` puts `update` at another moment, as late replication does.
    """

    def __init__(self, clock: Clock, zone: str, switches: AgbisSwitches) -> None:
        self.clock = clock
        self.zone = ZoneInfo(zone)
        self.switches = switches
        self.clear()

    def clear(self) -> None:
        """Remove all clients and orders."""
        self.clients: dict[str, Client] = {}
        self.orders: dict[str, Order] = {}
        self._client_ids = count(12345)
        self._branch_ids = count(1062062)
        self._api_ids = count(100354)
        self._line_ids = count(100245410)
        self._document_ids = count(778812)

    def net(self, order_id: str) -> int:
        """Return the kopecks paid for an order, less those returned."""
        return self.orders[order_id].net_kopecks

    def add_client(
        self,
        phone: str = "",
        *,
        landline: str = "",
        name: str | None = None,
        at: datetime | None = None,
        at_update: datetime | None = None,
    ) -> str:
        """Enter a client and return the id."""
        key = str(next(self._client_ids))
        moment = at or self.clock.now()
        self.clients[key] = Client(
            id=key,
            name=name if name is not None else f"Клиент {key}",
            phone=phone,
            landline=landline,
            created=moment,
            update=at_update or moment,
        )
        return key

    def change_phone(
        self,
        client_id: str,
        phone: str,
        *,
        landline: str | None = None,
        at: datetime | None = None,
        at_update: datetime | None = None,
    ) -> None:
        """Give a client another phone; the orders are not touched."""
        client = self.clients[client_id]
        client.phone = phone
        if landline is not None:
            client.landline = landline
        self._client_changed(client, at, at_update)

    def delete_client(self, client_id: str, *, at: datetime | None = None) -> None:
        """Mark a client as deleted: lists show it so, a look-up finds nothing."""
        client = self.clients[client_id]
        client.is_deleted = True
        self._client_changed(client, at, None)

    def add_order(
        self,
        client_id: str,
        services: Iterable[Priced] = (("Химчистка пальто", "2800.50"),),
        *,
        goods: Iterable[Priced] = (),
        at: datetime | None = None,
        doc_date: date | datetime | None = None,
        at_update: datetime | None = None,
        via_api: bool = False,
    ) -> str:
        """Enter an order and return its id.

        Args:
            client_id: Whose it is.
            services: Names and prices in roubles.
            goods: The same for goods sold along.
            at: When it is entered.
            doc_date: Date of acceptance, by which OrdersBetweenForAll finds it; the day of `at` when left out.
            at_update: `update`, when not `at`.
            via_api: Take the id from the other range, that of orders made through the API.
        """
        if client_id not in self.clients:
            raise KeyError(client_id)
        moment = at or self.clock.now()
        key = str(next(self._api_ids if via_api else self._branch_ids))
        self.orders[key] = Order(
            id=key,
            number=f"{int(key) % 100000:05d}-{int(client_id) % 9 + 1}",
            client_id=client_id,
            doc_date=self._doc_moment(doc_date, moment),
            update=at_update or moment,
            services=self._lines(services),
            goods=self._lines(goods),
        )
        return key

    def late_order(
        self,
        client_id: str,
        services: Iterable[Priced] = (("Химчистка пальто", "2800.50"),),
        *,
        at_update: datetime,
        paid: Roubles = 0,
        at: datetime | None = None,
    ) -> str:
        """Add an order only now whose `update` lies in the past (late replication)."""
        key = self.add_order(client_id, services, at=at or at_update, at_update=at_update)
        if kopecks(paid):
            self.pay(key, paid, at=at or at_update, at_update=at_update)
        return key

    def pay(
        self,
        order_id: str,
        amount: Roubles,
        *,
        at: datetime | None = None,
        at_update: datetime | None = None,
        document: str = "",
        doc_type: str = "31",
        touches: bool = True,
    ) -> None:
        """Take money for an order; one that does not touch the order leaves its `update` as it is."""
        order = self.orders[order_id]
        order.payments.append(self._payment(kopecks(amount), at, document, doc_type))
        if touches and self.switches.payment_bumps_update:
            self._order_changed(order, at, at_update)

    def refund(
        self,
        order_id: str,
        amount: Roubles,
        *,
        at: datetime | None = None,
        at_update: datetime | None = None,
        touches: bool = True,
    ) -> None:
        """Give money back, touching the order or not; the switch `refund_form` says how it is shown."""
        order = self.orders[order_id]
        order.payments.append(self._payment(-kopecks(amount), at, "", "32"))
        if touches and self.switches.refund_bumps_update:
            self._order_changed(order, at, at_update)

    def cancel(self, order_id: str, *, at: datetime | None = None, at_update: datetime | None = None) -> None:
        """Cancel an order: nothing to pay, nothing paid, status 7."""
        order = self.orders[order_id]
        if order.net_kopecks:
            order.payments.append(self._payment(-order.net_kopecks, at, "", "32"))
        order.settled = len(order.payments)
        order.status = CANCELLED
        for line in (*order.services, *order.goods):
            line.price_kopecks = line.kredit_kopecks = 0
            line.status = CANCELLED
        self._order_changed(order, at, at_update)

    def move_order(self, order_id: str, client_id: str, *, at: datetime | None = None) -> None:
        """Give an order to another client."""
        if client_id not in self.clients:
            raise KeyError(client_id)
        self.orders[order_id].client_id = client_id
        self._order_changed(self.orders[order_id], at, None)

    def set_status(self, order_id: str, status: int, *, at: datetime | None = None) -> None:
        """Move an order to a status, backwards too: clothes are cleaned again."""
        order = self.orders[order_id]
        order.status = status
        for line in order.services:
            line.status = status
        self._order_changed(order, at, None)

    def change_price(self, order_id: str, price: Roubles, *, line: int = 0, at: datetime | None = None) -> None:
        """Give one service of an order another price, as happens when a carpet has been measured."""
        order = self.orders[order_id]
        order.services[line].price_kopecks = order.services[line].kredit_kopecks = kopecks(price)
        self._order_changed(order, at, None)

    def touch(self, order_id: str, at: datetime | None = None) -> None:
        """Change something of an order that matters to nobody here, so only its `update` moves."""
        self._order_changed(self.orders[order_id], at, None)

    def spoil(self, order_id: str, how: str = "no_client", *, at: datetime | None = None) -> None:
        """Make the order's row one that cannot be read: `how` is one of `SPOILS`."""
        if how not in SPOILS:
            raise ValueError(how)
        self.orders[order_id].spoiled = how
        self._order_changed(self.orders[order_id], at, None)

    def mend(self, order_id: str, *, at: datetime | None = None) -> None:
        """Put the order's row right again."""
        self.orders[order_id].spoiled = ""
        self._order_changed(self.orders[order_id], at, None)

    def delete_order(self, order_id: str) -> None:
        """Remove an order: it simply stops appearing."""
        del self.orders[order_id]

    def _payment(self, amount: int, at: datetime | None, document: str, doc_type: str) -> Payment:
        key = str(next(self._document_ids))
        return Payment(at or self.clock.now(), amount, key, document or f"Кассовый чек №{key}", doc_type=doc_type)

    def _order_changed(self, order: Order, at: datetime | None, at_update: datetime | None) -> None:
        order.update = at_update or max(order.update, at or self.clock.now())

    def _client_changed(self, client: Client, at: datetime | None, at_update: datetime | None) -> None:
        client.update = at_update or max(client.update, at or self.clock.now())

    def _doc_moment(self, doc_date: date | datetime | None, default: datetime) -> datetime:
        if doc_date is None:
            return default
        if isinstance(doc_date, datetime):
            return doc_date
        return datetime.combine(doc_date, time(12), self.zone)

    def _lines(self, priced: Iterable[Priced]) -> list[Line]:
        rows: Sequence[tuple[str, int]] = [(name, kopecks(price)) for name, price in priced]
        return [Line(str(next(self._line_ids)), name, price, price) for name, price in rows]
