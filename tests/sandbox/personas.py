"""One kind of client each: what happened to them, and what a first run should make of it."""

from collections.abc import Callable
from datetime import timedelta

from tests.sandbox.money import roubles
from tests.sandbox.population import SITE_OFF, Town

Recipe = Callable[[Town], None]


def plain(town: Town) -> None:
    """Called, came, paid."""
    phone = town.phone()
    call = town.call(phone)
    town.paid_order(town.client(phone))
    town.expect(phone, "applied", call)


def sold_by_hand_otherwise(town: Town) -> None:
    """Somebody has set a sale, and then another payment came."""
    phone = town.phone()
    client = town.client(phone)
    call = town.call(phone)
    town.paid_order(client)
    town.comagic.sell_by_hand(call, "100", at=town.now - timedelta(hours=5), comment="вручную")
    town.expect(phone, "updated", call)


def sold_by_hand_rightly(town: Town) -> None:
    """Somebody has set exactly this sale."""
    phone = town.phone()
    client = town.client(phone)
    call = town.call(phone)
    town.paid_order(client)
    town.comagic.sell_by_hand(call, roubles(town.sum_of(client)), at=town.now - timedelta(hours=5))
    town.expect(phone, "problem", call)


def never_called(town: Town) -> None:
    """Paid without a call."""
    phone = town.phone()
    town.paid_order(town.client(phone))
    town.expect(phone, "not_found")


def unpaid(town: Town) -> None:
    """Ordered and has not paid yet."""
    phone = town.phone()
    town.call(phone)
    town.order(town.client(phone))
    town.expect(phone, "nothing_paid")


def several_orders(town: Town) -> None:
    """Several orders, paid in parts."""
    phone = town.phone()
    client = town.client(phone)
    call = town.call(phone)
    for parts in (1, 2, 3):
        town.paid_order(client, parts=parts)
    town.expect(phone, "applied", call)


def half_paid(town: Town) -> None:
    """Paid half of it."""
    phone = town.phone()
    call = town.call(phone)
    town.pay(town.order(town.client(phone)), parts=2, share=50)
    town.expect(phone, "applied", call)


def refunded(town: Town) -> None:
    """Got some of the money back."""
    phone = town.phone()
    call = town.call(phone)
    order = town.paid_order(town.client(phone))
    town.agbis.refund(order, roubles(town.agbis.net(order) // 3), at=town.now - timedelta(hours=2))
    town.expect(phone, "applied", call)


def cancelled(town: Town) -> None:
    """Cancelled, the money is back."""
    phone = town.phone()
    town.call(phone)
    order = town.paid_order(town.client(phone))
    town.agbis.cancel(order, at=town.now - timedelta(hours=3))
    town.expect(phone, "nothing_paid")


def one_of_two_cancelled(town: Town) -> None:
    """Cancelled one order and paid the other."""
    phone = town.phone()
    client = town.client(phone)
    call = town.call(phone)
    town.agbis.cancel(town.paid_order(client), at=town.now - timedelta(hours=3))
    town.paid_order(client)
    town.expect(phone, "applied", call)


def only_lost_calls(town: Town) -> None:
    """Called twice and nobody answered."""
    phone = town.phone()
    town.call(phone, lost=True)
    town.call(phone, lost=True)
    town.paid_order(town.client(phone))
    town.expect(phone, "not_found")


def called_long_ago(town: Town) -> None:
    """The call is older than any window of interest."""
    phone = town.phone()
    town.call(phone, hours=45 * 24)
    town.paid_order(town.client(phone))
    town.expect(phone, "not_found")


def lost_then_answered(town: Town) -> None:
    """The second call got through."""
    phone = town.phone()
    town.call(phone, hours=town.days * 24 - 1, lost=True)
    call = town.call(phone, hours=80)
    town.paid_order(town.client(phone))
    town.expect(phone, "applied", call)


def called_twice(town: Town) -> None:
    """Two calls, one of them ours: the earlier."""
    phone = town.phone()
    town.call(phone, hours=70)
    call = town.call(phone, hours=town.days * 24 - 2)
    town.paid_order(town.client(phone))
    town.expect(phone, "applied", call)


def called_after_paying(town: Town) -> None:
    """Paid first and called later: the sale cannot be dated before the call."""
    phone = town.phone()
    town.paid_order(town.client(phone), hours=30)
    town.expect(phone, "applied", town.call(phone, hours=1))


def was_called(town: Town) -> None:
    """The dry cleaner called."""
    phone = town.phone()
    call = town.call(phone, direction="out")
    town.paid_order(town.client(phone))
    town.expect(phone, "applied", call)


def same_second(town: Town) -> None:
    """Two calls in the same second."""
    phone = town.phone()
    call = town.call(phone, hours=100)
    town.call(phone, hours=100)
    town.paid_order(town.client(phone))
    town.expect(phone, "applied", call)


def foreign_tag_first(town: Town) -> None:
    """The sale tag is not the first one, and its sum is out of date."""
    phone = town.phone()
    client = town.client(phone)
    call = town.call(phone, tags=["Нецелевой контакт"])
    town.paid_order(client)
    town.comagic.sell_by_hand(call, "1234.56", at=town.now - timedelta(hours=5))
    town.expect(phone, "updated", call)


def foreign_tag_only(town: Town) -> None:
    """Another tag, but no sale."""
    phone = town.phone()
    call = town.call(phone, tags=["Повторный клиент", "Жалоба"])
    town.paid_order(town.client(phone))
    town.expect(phone, "applied", call)


def two_clients_one_phone(town: Town) -> None:
    """Husband and wife."""
    phone = town.phone()
    call = town.call(phone)
    town.paid_order(town.client(phone))
    town.paid_order(town.client(phone))
    town.expect(phone, "applied", call)


def landline_only(town: Town) -> None:
    """No mobile."""
    phone = town.phone("landline")
    call = town.call(phone)
    town.paid_order(town.client(phone, landline=True))
    town.expect(phone, "applied", call)


def from_belarus(town: Town) -> None:
    """A foreign number."""
    phone = town.phone("belarus")
    call = town.call(phone)
    town.paid_order(town.client(phone))
    town.expect(phone, "applied", call)


def from_kazakhstan(town: Town) -> None:
    """A foreign number that begins like ours."""
    phone = town.phone("kazakhstan")
    call = town.call(phone)
    town.paid_order(town.client(phone))
    town.expect(phone, "applied", call)


def without_phone(town: Town) -> None:
    """Two clients we cannot find: no phone, and garbage instead of one."""
    town.paid_order(town.client(None, typed=""))
    town.paid_order(town.client(None, typed="нет телефона"))


def older_and_newer(town: Town) -> None:
    """An order from before the first refresh, and a recent one."""
    phone = town.phone()
    client = town.client(phone)
    call = town.call(phone, hours=town.days * 24 - 3)
    town.agbis.pay(town.order(client, hours=9 * 24), "500", at=town.now - timedelta(days=8))
    town.paid_order(client)
    town.expect(phone, "applied", call)


def only_older(town: Town) -> None:
    """Everything from before the first refresh: the phone is not seen at all."""
    phone = town.phone()
    town.call(phone)
    town.agbis.pay(town.order(town.client(phone), hours=9 * 24), "640.40", at=town.now - timedelta(days=6))


def wrote_a_message(town: Town) -> None:
    """Only wrote, from the site's form."""
    phone = town.phone()
    town.comagic.add_message(f"8{phone[1:]}", town.now - timedelta(days=4))
    town.paid_order(town.client(phone))
    town.expect(phone, "not_found")


def sales_off(town: Town) -> None:
    """Called from a site whose sales are switched off."""
    phone = town.phone()
    call = town.call(phone, site_id=SITE_OFF)
    town.paid_order(town.client(phone))
    town.expect(phone, "failed", call)


def late_replication(town: Town) -> None:
    """The order surfaced with an old `update`, but still within the first refresh."""
    phone = town.phone()
    call = town.call(phone)
    moment = town.now - timedelta(hours=50)
    town.agbis.late_order(town.client(phone), [("Химчистка пальто", "2800.50")], at_update=moment, paid="1400.25")
    town.expect(phone, "applied", call)


# The first five give one of each result, so that even the smallest town has them all.
RECIPES: list[Recipe] = [
    plain, sold_by_hand_otherwise, sold_by_hand_rightly, never_called, unpaid, several_orders, half_paid,
    refunded, cancelled, one_of_two_cancelled, only_lost_calls, called_long_ago, lost_then_answered,
    called_twice, called_after_paying, was_called, same_second, foreign_tag_first, foreign_tag_only,
    two_clients_one_phone, landline_only, from_belarus, from_kazakhstan, without_phone, older_and_newer,
    only_older, wrote_a_message, sales_off, late_replication,
]  # fmt: skip
COMMON: list[Recipe] = [plain, plain, plain, several_orders, half_paid, refunded, called_twice, never_called, unpaid]
