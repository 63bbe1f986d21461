"""What a dry cleaner's database holds: clients, orders, lines, payments."""

from dataclasses import dataclass, field
from datetime import datetime

CANCELLED = 7

SPOILS = ("no_id", "no_client", "bad_sum", "bad_date", "no_list")
"""Ways in which the row of an order cannot be read."""

LONE_SURROGATE = "\ue000"
"""Stands for half a surrogate pair, which no Python text can be encoded with; the answer has a real one."""

STATUS_NAMES = {
    1: "Новый",
    2: "На хранении",
    3: "В исполнении",
    4: "Исполненный",
    5: "Выданный",
    6: "Закрытый",
    7: "Отменённый",
}


@dataclass(slots=True)
class Client:
    """A client. `phone` is the mobile; both phones are stored as they were typed."""

    id: str
    name: str
    phone: str
    landline: str
    created: datetime
    update: datetime
    is_deleted: bool = False


@dataclass(slots=True)
class Line:
    """A service or a product of an order, its price before and its sum after a cancellation."""

    id: str
    name: str
    price_kopecks: int
    kredit_kopecks: int
    status: int = 1


@dataclass(slots=True)
class Payment:
    """Money in (positive) or out (negative)."""

    at: datetime
    amount_kopecks: int
    document_id: str
    document: str = ""
    kassa: str = "Основная касса"
    doc_type: str = "31"


@dataclass(slots=True)
class Order:
    """An order; `update` is the moment by which OrderByDateTimeForAll finds it.

    Attributes:
        settled: How many of the payments a cancellation has compensated; by a switch they are shown as removed.
        spoiled: What is wrong with the order's row, one of `SPOILS`; empty when nothing is.
    """

    id: str
    number: str
    client_id: str
    doc_date: datetime
    update: datetime
    services: list[Line]
    goods: list[Line]
    payments: list[Payment] = field(default_factory=list)
    status: int = 1
    settled: int = 0
    spoiled: str = ""

    @property
    def kredit_kopecks(self) -> int:
        """The sum to pay."""
        return sum(line.kredit_kopecks for line in (*self.services, *self.goods))

    @property
    def net_kopecks(self) -> int:
        """Money in less money out."""
        return sum(payment.amount_kopecks for payment in self.payments)
