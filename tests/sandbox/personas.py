"""One kind of client each: what happened to them, and what a first run should make of it."""

from collections.abc import Callable
from datetime import timedelta

from tests.sandbox.money import roubles
from tests.sandbox.population import SITE_OFF, Population

Persona = Callable[[Population], None]


def plain(population: Population) -> None:
    """Called, came, paid."""
    phone = population.phone()
    call = population.call(phone)
    population.paid_order(population.client(phone))
    population.expect(phone, "applied", call)


def sold_by_hand_otherwise(population: Population) -> None:
    """A person set a sale; then another payment came."""
    phone = population.phone()
    client = population.client(phone)
    call = population.call(phone)
    population.paid_order(client)
    population.comagic.sell_by_hand(call, "100", at=population.now - timedelta(hours=5), comment="вручную")
    population.expect(phone, "updated", call)


def sold_by_hand_rightly(population: Population) -> None:
    """A person set exactly this sale."""
    phone = population.phone()
    client = population.client(phone)
    call = population.call(phone)
    population.paid_order(client)
    population.comagic.sell_by_hand(call, roubles(population.sum_of(client)), at=population.now - timedelta(hours=5))
    population.expect(phone, "problem", call)


def never_called(population: Population) -> None:
    """Paid without a call."""
    phone = population.phone()
    population.paid_order(population.client(phone))
    population.expect(phone, "not_found")


def unpaid(population: Population) -> None:
    """Ordered and has not paid yet."""
    phone = population.phone()
    population.call(phone)
    population.order(population.client(phone))
    population.expect(phone, "nothing_paid")


def several_orders(population: Population) -> None:
    """Several orders, paid in parts."""
    phone = population.phone()
    client = population.client(phone)
    call = population.call(phone)
    for parts in (1, 2, 3):
        population.paid_order(client, parts=parts)
    population.expect(phone, "applied", call)


def half_paid(population: Population) -> None:
    """Paid half of it."""
    phone = population.phone()
    call = population.call(phone)
    population.pay(population.order(population.client(phone)), parts=2, share=50)
    population.expect(phone, "applied", call)


def refunded(population: Population) -> None:
    """Got some of the money back."""
    phone = population.phone()
    call = population.call(phone)
    order = population.paid_order(population.client(phone))
    population.agbis.refund(order, roubles(population.agbis.net(order) // 3), at=population.now - timedelta(hours=2))
    population.expect(phone, "applied", call)


def cancelled(population: Population) -> None:
    """Cancelled, the money is back."""
    phone = population.phone()
    population.call(phone)
    order = population.paid_order(population.client(phone))
    population.agbis.cancel(order, at=population.now - timedelta(hours=3))
    population.expect(phone, "nothing_paid")


def one_of_two_cancelled(population: Population) -> None:
    """Cancelled one order and paid the other."""
    phone = population.phone()
    client = population.client(phone)
    call = population.call(phone)
    population.agbis.cancel(population.paid_order(client), at=population.now - timedelta(hours=3))
    population.paid_order(client)
    population.expect(phone, "applied", call)


def only_lost_calls(population: Population) -> None:
    """Called twice, and both calls were lost."""
    phone = population.phone()
    population.call(phone, lost=True)
    population.call(phone, lost=True)
    population.paid_order(population.client(phone))
    population.expect(phone, "not_found")


def called_long_ago(population: Population) -> None:
    """The call is older than any window of interest."""
    phone = population.phone()
    population.call(phone, hours=45 * 24)
    population.paid_order(population.client(phone))
    population.expect(phone, "not_found")


def lost_then_answered(population: Population) -> None:
    """The second call got through."""
    phone = population.phone()
    population.call(phone, hours=population.days * 24 - 1, lost=True)
    call = population.call(phone, hours=80)
    population.paid_order(population.client(phone))
    population.expect(phone, "applied", call)


def called_twice(population: Population) -> None:
    """Two calls, one of them ours: the earlier."""
    phone = population.phone()
    population.call(phone, hours=70)
    call = population.call(phone, hours=population.days * 24 - 2)
    population.paid_order(population.client(phone))
    population.expect(phone, "applied", call)


def called_after_paying(population: Population) -> None:
    """Paid first and called later: the sale cannot be dated before the call."""
    phone = population.phone()
    population.paid_order(population.client(phone), hours=30)
    population.expect(phone, "applied", population.call(phone, hours=1))


def was_called(population: Population) -> None:
    """The dry cleaner called."""
    phone = population.phone()
    call = population.call(phone, direction="out")
    population.paid_order(population.client(phone))
    population.expect(phone, "applied", call)


def same_second(population: Population) -> None:
    """Two calls in the same second."""
    phone = population.phone()
    call = population.call(phone, hours=100)
    population.call(phone, hours=100)
    population.paid_order(population.client(phone))
    population.expect(phone, "applied", call)


def foreign_tag_first(population: Population) -> None:
    """The sale tag is not the first one, and its sum is out of date."""
    phone = population.phone()
    client = population.client(phone)
    call = population.call(phone, tags=["Нецелевой контакт"])
    population.paid_order(client)
    population.comagic.sell_by_hand(call, "1234.56", at=population.now - timedelta(hours=5))
    population.expect(phone, "updated", call)


def foreign_tag_only(population: Population) -> None:
    """Another tag, but no sale."""
    phone = population.phone()
    call = population.call(phone, tags=["Повторный клиент", "Жалоба"])
    population.paid_order(population.client(phone))
    population.expect(phone, "applied", call)


def two_clients_one_phone(population: Population) -> None:
    """Husband and wife."""
    phone = population.phone()
    call = population.call(phone)
    population.paid_order(population.client(phone))
    population.paid_order(population.client(phone))
    population.expect(phone, "applied", call)


def landline_only(population: Population) -> None:
    """No mobile."""
    phone = population.phone("landline")
    call = population.call(phone)
    population.paid_order(population.client(phone, landline=True))
    population.expect(phone, "applied", call)


def from_belarus(population: Population) -> None:
    """A foreign number."""
    phone = population.phone("belarus")
    call = population.call(phone)
    population.paid_order(population.client(phone))
    population.expect(phone, "applied", call)


def from_kazakhstan(population: Population) -> None:
    """A foreign number that begins like ours."""
    phone = population.phone("kazakhstan")
    call = population.call(phone)
    population.paid_order(population.client(phone))
    population.expect(phone, "applied", call)


def without_phone(population: Population) -> None:
    """Two clients we cannot find: no phone, and garbage instead of one."""
    population.paid_order(population.client(None, typed=""))
    population.paid_order(population.client(None, typed="нет телефона"))


def older_and_newer(population: Population) -> None:
    """An order from before the first refresh, and a recent one."""
    phone = population.phone()
    client = population.client(phone)
    call = population.call(phone, hours=population.days * 24 - 3)
    population.agbis.pay(population.order(client, hours=9 * 24), "500", at=population.now - timedelta(days=8))
    population.paid_order(client)
    population.expect(phone, "applied", call)


def only_older(population: Population) -> None:
    """Everything from before the first refresh: the phone is not seen at all."""
    phone = population.phone()
    population.call(phone)
    population.agbis.pay(
        population.order(population.client(phone), hours=9 * 24), "640.40", at=population.now - timedelta(days=6)
    )


def wrote_a_message(population: Population) -> None:
    """Only wrote, from the site's form."""
    phone = population.phone()
    population.comagic.add_message(f"8{phone[1:]}", population.now - timedelta(days=4))
    population.paid_order(population.client(phone))
    population.expect(phone, "not_found")


def sales_off(population: Population) -> None:
    """Called from a site whose sales are switched off."""
    phone = population.phone()
    call = population.call(phone, site_id=SITE_OFF)
    population.paid_order(population.client(phone))
    population.expect(phone, "failed", call)


def late_replication(population: Population) -> None:
    """The order surfaced with an old `update`, but still within the first refresh."""
    phone = population.phone()
    call = population.call(phone)
    moment = population.now - timedelta(hours=50)
    population.agbis.late_order(
        population.client(phone), [("Химчистка пальто", "2800.50")], at_update=moment, paid="1400.25"
    )
    population.expect(phone, "applied", call)


# The first five have one result each, so that the smallest population has every result.
PERSONAS: list[Persona] = [
    plain, sold_by_hand_otherwise, sold_by_hand_rightly, never_called, unpaid, several_orders, half_paid,
    refunded, cancelled, one_of_two_cancelled, only_lost_calls, called_long_ago, lost_then_answered,
    called_twice, called_after_paying, was_called, same_second, foreign_tag_first, foreign_tag_only,
    two_clients_one_phone, landline_only, from_belarus, from_kazakhstan, without_phone, older_and_newer,
    only_older, wrote_a_message, sales_off, late_replication,
]  # fmt: skip
COMMON: list[Persona] = [plain, plain, plain, several_orders, half_paid, refunded, called_twice, never_called, unpaid]
