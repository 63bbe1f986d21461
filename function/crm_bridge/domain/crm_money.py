"""What all orders of the CRM that we hold come to, kept as a running total, to compare the phones' sums with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from crm_bridge.domain.aggregate import Order
from crm_bridge.domain.state import CrmMoney


def replaced(money: CrmMoney, stored: Mapping[str, Order], updated: Iterable[Order]) -> CrmMoney:
    """Return the running totals after these versions of orders have replaced the stored ones."""
    total, without_phone = money.total_kopecks, money.without_phone_kopecks
    for order in updated:
        net, before = order.net_kopecks, stored.get(order.order_id)
        total += net
        if order.phone is None:
            without_phone += net
        if before is None:
            continue
        net = before.net_kopecks
        total -= net
        if before.phone is None:
            without_phone -= net
    return CrmMoney(total_kopecks=total, without_phone_kopecks=without_phone, revision=money.revision + 1)


class CrmMoneyCount:
    """Counts all stored orders anew, for a database of a version that kept no running totals.

    Attributes:
        money: Of the orders counted so far.
    """

    def __init__(self) -> None:
        self.money = CrmMoney()
        self._nets: dict[str, int] = {}

    def add(self, orders: Iterable[Order]) -> None:
        """Count orders, each once."""
        counted = list(orders)
        self.money = replace(replaced(self.money, {}, counted), revision=0)
        for order in counted:
            if order.phone is not None:
                self._nets[order.phone] = self._nets.get(order.phone, 0) + order.net_kopecks

    def overpaid(self) -> dict[str, int]:
        """Return the phones whose net is below zero, and by how many kopecks."""
        return {phone: -net for phone, net in self._nets.items() if net < 0}
