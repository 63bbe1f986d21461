"""Stories of clients for `/explain` and its pages: what happened, and how it is explained."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from crm_bridge.stores.sqlite.sales import SqliteSalesStore
from tests.sandbox.comagic.account import SITE_WITHOUT_SALES_ID
from tests.sandbox.faults import Fault
from tests.support.factories import NOON
from tests.support.sync_app import SyncApp, sync_app_on

ANNA = "79261234567"

Happening = Callable[[SyncApp], Awaitable[None]]
EVERY_STORY: dict[str, tuple[Happening, dict[str, str], str]] = {}


def story(sentence: str, **settings: str) -> Callable[[Happening], Happening]:
    """Add a story: what happened, and how the explanation of it starts."""

    def note(happening: Happening) -> Happening:
        EVERY_STORY[happening.__name__] = (happening, settings, sentence)
        return happening

    return note


def order(
    bridge: SyncApp, *amounts: str, phone: str = ANNA, days_ago: float = 1, name: str = "Химчистка пальто"
) -> str:
    agbis, at = bridge.world.agbis, NOON - timedelta(days=days_ago)
    key = agbis.add_order(agbis.add_client(phone), [(name, "5000")], at=at)
    for number, amount in enumerate(amounts):
        agbis.pay(key, amount, at=at + timedelta(minutes=5 + number))
    return key


def call(bridge: SyncApp, *, days_ago: float = 2, phone: str = ANNA, **details: Any) -> int:
    return bridge.world.comagic.add_call(phone, NOON - timedelta(days=days_ago), **details)


@story("Marked: ₽2,500.00 stands on call ")
async def called_ordered_paid(bridge: SyncApp) -> None:
    """The plain case: nothing is wrong."""
    call(bridge)
    order(bridge, "2500")
    await bridge.run()


@story("Marked: ₽4,300.80 stands on call ")
async def several_orders_in_parts(bridge: SyncApp) -> None:
    """How the sum came about: two orders, three payments, a refund."""
    call(bridge, days_ago=5)
    first = order(bridge, "2500", "1800.50", days_ago=2)
    order(bridge, "600.30", name="Стирка пуховика")
    bridge.world.agbis.refund(first, "600")
    await bridge.run()


@story("Not marked yet: the next run sets ₽700.00 on call ")
async def paid_since_the_last_run(bridge: SyncApp) -> None:
    """The orders are read, the run that marks has not come yet."""
    call(bridge)
    order(bridge, "700")
    await bridge.run("update_db&dry_run")


@story("₽700.00 is paid, but CoMagic knows no communication of this phone since 2026-03-19")
async def never_called(bridge: SyncApp) -> None:
    """The client came without calling, or called from another phone."""
    call(bridge, phone="79990000001")
    order(bridge, "700")
    await bridge.run()


@story("₽700.00 is paid, but every call of this phone was lost")
async def nobody_answered(bridge: SyncApp) -> None:
    call(bridge, lost=True)
    call(bridge, days_ago=3, lost=True)
    order(bridge, "700")
    await bridge.run()


@story("₽700.00 is paid, but the communications of this phone began before 2026-05-16")
async def called_too_long_ago(bridge: SyncApp) -> None:
    """Found, because /explain looks further back than a run."""
    call(bridge, days_ago=45)
    order(bridge, "700")
    await bridge.run()


@story("₽700.00 is paid, but the client got in touch only in ways that COMAGIC_SOURCES leaves out: site form")
async def wrote_through_the_form(bridge: SyncApp) -> None:
    """The phone is typed as people type it."""
    bridge.world.comagic.add_message("89261234567", NOON - timedelta(days=2))
    order(bridge, "700")
    await bridge.run()


@story("Marked: ₽700.00 stands on site form ", COMAGIC_SOURCES="calls,chats,offline_messages")
async def wrote_first_and_called_later(bridge: SyncApp) -> None:
    """The earliest of all kinds bears the sale."""
    bridge.world.comagic.add_message("89261234567", NOON - timedelta(days=3))
    bridge.world.comagic.add_chat("9261234567", NOON - timedelta(days=2))
    call(bridge, days_ago=1)
    order(bridge, "700")
    await bridge.run()


@story("Nothing has been paid yet")
async def not_paid_yet(bridge: SyncApp) -> None:
    call(bridge)
    order(bridge)
    await bridge.run()


@story("All money has gone back, so there is no sum to set.")
async def cancelled_before_it_was_marked(bridge: SyncApp) -> None:
    call(bridge)
    key = order(bridge, "700")
    bridge.world.agbis.refund(key, "700")
    await bridge.run()


@story("All money has gone back: the next run takes ₽700.00 off call ")
async def refunded_after_it_was_marked(bridge: SyncApp) -> None:
    call(bridge)
    key = order(bridge, "700")
    await bridge.run()
    bridge.world.agbis.refund(key, "700")
    await bridge.run("update_db&dry_run")


@story("Marked with ₽700.00: the next run replaces it by ₽950.00 on call ")
async def paid_more_after_it_was_marked(bridge: SyncApp) -> None:
    call(bridge)
    key = order(bridge, "700")
    await bridge.run()
    bridge.world.agbis.pay(key, "250")
    await bridge.run("update_db&dry_run")


@story("₽700.00 is paid, but the client got in touch only through sites whose option «Учитывать продажи» is off: ")
async def sales_are_off_at_the_site(bridge: SyncApp) -> None:
    """No sale is set, and the summary says what to switch on."""
    call(bridge, site_id=SITE_WITHOUT_SALES_ID)
    order(bridge, "700")
    await bridge.run()


@story("Marked: ₽700.00 stands on call 3360109115 ")
async def called_first_through_a_site_without_sales(bridge: SyncApp) -> None:
    """A sale on the first call would be refused, so the second one bears it."""
    call(bridge, days_ago=3, site_id=SITE_WITHOUT_SALES_ID)
    call(bridge, days_ago=2)
    order(bridge, "700")
    await bridge.run()


@story("Marked: ₽700.00 stands on call 3360109115 ")
async def called_first_without_a_site(bridge: SyncApp) -> None:
    """A sale on the first call would be shown nowhere, so the second one bears it."""
    call(bridge, days_ago=3, site_id=None)
    call(bridge, days_ago=2)
    order(bridge, "700")
    await bridge.run()


@story("Marked: ₽700.00 stands on call ")
async def called_without_a_site_only(bridge: SyncApp) -> None:
    """Better than none: the sum is on the call, and a note says where CoMagic does not show it."""
    call(bridge, days_ago=3, site_id=SITE_WITHOUT_SALES_ID)
    call(bridge, days_ago=2, site_id=None)
    order(bridge, "700")
    await bridge.run()


@story("Marked with ₽700.00, and ₽950.00 is paid now.")
async def paid_more_after_sales_were_switched_off(bridge: SyncApp) -> None:
    """What stands is not taken off, because nothing could be set after it."""
    site = bridge.world.comagic.add_site("example.net")
    call(bridge, site_id=site)
    key = order(bridge, "700")
    await bridge.run()
    bridge.world.comagic.switch_sales(site, on=False)
    bridge.world.agbis.pay(key, "250")
    bridge.clock.advance(timedelta(days=1))
    await bridge.run()


@story("Not marked yet: the next run sets ₽700.00 on call 3360109114 ")
async def the_key_may_not_list_the_sites(bridge: SyncApp) -> None:
    """All sites count as taking sales, CoMagic refuses this one, and a warning names the right."""
    bridge.world.comagic.switches = replace(bridge.world.comagic.switches, key_rights="tags_only")
    call(bridge, days_ago=3, site_id=SITE_WITHOUT_SALES_ID)
    call(bridge, days_ago=2)
    order(bridge, "700")
    await bridge.run()


@story("Marked: ₽700.00 stands on call ")
async def paid_before_calling(bridge: SyncApp) -> None:
    """The sale cannot be dated before the call."""
    order(bridge, "700", days_ago=2)
    call(bridge, days_ago=1)
    await bridge.run()


@story(
    "₽700.00 is paid, but every communication of this phone began after the last payment",
    ATTRIBUTION="first_before_payment",
)
async def called_only_after_paying(bridge: SyncApp) -> None:
    """ "Is my coat ready?" is not what brought the money."""
    order(bridge, "700", days_ago=2)
    call(bridge, days_ago=1)
    await bridge.run()


@story("Marked: ₽700.00 stands on call 3360109114 ", ATTRIBUTION="first_before_payment")
async def the_first_call_before_the_payment_counts(bridge: SyncApp) -> None:
    """The second call came after the payment."""
    call(bridge, days_ago=4)
    order(bridge, "700", days_ago=2)
    call(bridge, days_ago=1)
    await bridge.run()


@story("Not marked yet: the next run sets ₽700.00 on call 3360109115 ", ATTRIBUTION="last_before_payment")
async def the_last_call_before_the_payment_counts(bridge: SyncApp) -> None:
    call(bridge, days_ago=6)
    call(bridge, days_ago=4)
    order(bridge, "700", days_ago=2)
    call(bridge, days_ago=1)
    await bridge.run("update_db&dry_run")


@story("Marked: ₽950.00 stands on call 3360109114 ", ATTRIBUTION="last_before_payment")
async def a_sale_stays_where_it_stands_under_any_policy(bridge: SyncApp) -> None:
    """A call and a further payment have come since: a sum is never reported twice."""
    call(bridge, days_ago=6)
    key = order(bridge, "700", days_ago=2)
    await bridge.run()
    call(bridge, days_ago=1)
    bridge.world.agbis.pay(key, "250")
    await bridge.run()


LANDLINE = "74951112233"
FOREIGN = "375291234567"


def order_of(bridge: SyncApp, phone: str, landline: str = "", *, amount: str = "700", days_ago: float = 1) -> str:
    """Enter a client with these phones and a paid order; return the client's id."""
    agbis, at = bridge.world.agbis, NOON - timedelta(days=days_ago)
    client = agbis.add_client(phone, landline=landline)
    key = agbis.add_order(client, at=at)
    agbis.pay(key, amount, at=at + timedelta(minutes=5))
    return client


@story("Marked: ₽700.00 stands on call ")
async def called_from_the_landline(bridge: SyncApp) -> None:
    """The mobile bears the sum, the landline finds the call."""
    call(bridge, phone=LANDLINE)
    order_of(bridge, ANNA, "8 (495) 111-22-33 доб. 105")
    await bridge.run()


@story("Marked: ₽700.00 stands on call ")
async def called_from_the_second_number_of_a_field(bridge: SyncApp) -> None:
    """Of two numbers in one field the mobile one is the mobile."""
    call(bridge, phone=LANDLINE)
    order_of(bridge, "8 495 111-22-33, 8 926 123-45-67")
    await bridge.run()


@story("Marked: ₽700.00 stands on call ")
async def called_from_abroad(bridge: SyncApp) -> None:
    """The foreign number is typed with two zeros in the CRM."""
    call(bridge, phone=FOREIGN)
    order_of(bridge, ANNA, "00375 29 123-45-67")
    await bridge.run()


@story("Marked: ₽700.00 stands on call 3360109114 ")
async def called_from_both_numbers(bridge: SyncApp) -> None:
    """The earliest of all numbers bears the sale."""
    call(bridge, days_ago=4, phone=LANDLINE)
    call(bridge, days_ago=2)
    order_of(bridge, ANNA, LANDLINE)
    await bridge.run()


@story("₽700.00 is paid, but the client called only from 74951112233, which another client has too")
async def two_clients_have_the_same_landline(bridge: SyncApp) -> None:
    """Whose call it was is not known."""
    call(bridge, phone=LANDLINE)
    order_of(bridge, ANNA, LANDLINE)
    order_of(bridge, "79031112233", LANDLINE, amount="900")
    await bridge.run()


@story("₽700.00 is paid, but the client called only from 79031112233, which another client has too")
async def the_second_number_is_another_clients_mobile(bridge: SyncApp) -> None:
    """A wife's number beside the husband's: her calls are hers."""
    call(bridge, phone="79031112233")
    order_of(bridge, ANNA, "79031112233")
    order_of(bridge, "79031112233", amount="900")
    await bridge.run()


@story("Marked: ₽700.00 stands on call ")
async def the_landline_was_taken_out_of_the_crm(bridge: SyncApp) -> None:
    """A number that is removed moves no sale that stands."""
    call(bridge, phone=LANDLINE)
    client = order_of(bridge, ANNA, LANDLINE)
    await bridge.run()
    bridge.world.agbis.change_phone(client, ANNA, landline="")
    await bridge.run()


@story("Not marked yet: the next run sets ₽700.00 on call ")
async def somebody_took_our_sale_off(bridge: SyncApp) -> None:
    key = call(bridge)
    order(bridge, "700")
    await bridge.run()
    bridge.world.comagic.unsell_by_hand(key)


@story("Marked with ₽1.00: the next run replaces it by ₽700.00 on call ")
async def somebody_else_marked_two_calls(bridge: SyncApp) -> None:
    """The earlier one is corrected, the other is left alone."""
    for days, amount in ((3, "1"), (1, "2")):
        bridge.world.comagic.sell_by_hand(call(bridge, days_ago=days), amount)
    order(bridge, "700")
    await bridge.run("update_db&dry_run")


@story("Not marked yet: the next run sets ₽700.00 on call ")
async def a_run_was_cut_in_the_middle(bridge: SyncApp) -> None:
    """CoMagic went away during the change, so it is not known whether it was made."""
    call(bridge)
    order(bridge, "700")
    bridge.world.comagic.fail(Fault(method="set.tag_sales", kind="timeout_before", times=None))
    await bridge.run()
    bridge.world.comagic.faults.clear()


@story("Marked: ₽700.00 stands on call ")
async def the_marked_call_is_long_past(bridge: SyncApp) -> None:
    """It has left even what /explain asks for; our own notes know it."""
    call(bridge, days_ago=29)
    order(bridge, "700")
    await bridge.run()
    bridge.clock.advance(timedelta(days=80))


@story("Marked: ₽700.00 stands on call ")
async def comagic_has_deleted_the_marked_call(bridge: SyncApp) -> None:
    """Absence is not deletion: the sale counts as standing until three days of full runs did not see it."""
    deleted = call(bridge, days_ago=3)
    call(bridge, days_ago=1)
    order(bridge, "700")
    await bridge.run()
    bridge.world.comagic.delete_communication(deleted)


@story(
    "A run was interrupted while it changed the sale of this phone, and CoMagic does not show what became of it",
    COMAGIC_SOURCES="calls,chats",
)
async def a_cut_change_that_comagic_does_not_show(bridge: SyncApp) -> None:
    """Chats were switched off in between: setting the sale on a call might report it twice."""
    comagic = bridge.world.comagic
    comagic.add_chat(ANNA, NOON - timedelta(days=3))
    call(bridge, days_ago=1)
    order(bridge, "700")
    comagic.fail(Fault(method="set.tag_sales", kind="timeout_before", times=None))
    await bridge.run()
    comagic.faults.clear()
    comagic.switches = replace(comagic.switches, consultant=False)


@story("No order of a client with this phone is in the database.")
async def called_but_never_ordered(bridge: SyncApp) -> None:
    call(bridge)
    order(bridge, "700", phone="79990000001")
    await bridge.run()


@story("No order of a client with this phone is in the database. The CRM has not been read yet: call /?update_db once.")
async def nothing_was_ever_read(bridge: SyncApp) -> None:
    call(bridge)


@story("CoMagic could not be asked, so only what the database holds is shown: ")
async def comagic_is_away(bridge: SyncApp) -> None:
    call(bridge)
    order(bridge, "700")
    await bridge.run()
    bridge.world.comagic.fail(Fault(method="get.calls_report", kind="http_503", times=None))


@asynccontextmanager
async def after(happening: Happening, settings: dict[str, str], folder: Path) -> AsyncIterator[SyncApp]:
    store = SqliteSalesStore(str(folder / "bridge.db"))
    async with sync_app_on(store, settings) as bridge:
        await happening(bridge)
        yield bridge
    await store.close()
