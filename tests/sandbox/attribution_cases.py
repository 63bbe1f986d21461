"""One client of each kind for whom the right call is not simply the first one of the phone."""

from datetime import timedelta

from tests.sandbox.comagic.account import SITE_WITHOUT_SALES_ID
from tests.sandbox.world import World

LANDLINE, SECOND, SHARED = "74990000001", "74990000002", "74990000003"

CASES = {
    "79150000001": "called from the landline, which the CRM has too: found",
    "79150000002": "called from the second number in the CRM's field: found",
    "79150000003": "called first without a site, then through one: the second call has the sale",
    "79150000004": "called first through a site without «Учитывать продажи»: the second call has the sale",
    "79150000005": "called only through a site without «Учитывать продажи»: failed, sales_disabled, nothing is sent",
    "79150000006": "called only from a number that another client has too: not found",
    "79150000007": "the other client of that number: not found",
}
"""By phone: what happened, and what a run makes of it. All of it is meant."""


def add_attribution_cases(world: World) -> None:
    """Add the clients of CASES, each with a paid order."""
    now = world.clock.now().replace(microsecond=0)
    numbers = list(CASES)
    typed = {
        numbers[0]: (numbers[0], f"8 {LANDLINE[1:4]} {LANDLINE[4:]} доб. 5"),
        numbers[1]: (f"{SECOND}, {numbers[1]}", ""),
        numbers[5]: (numbers[5], SHARED),
        numbers[6]: (numbers[6], SHARED),
    }
    for phone in numbers:
        mobile, landline = typed.get(phone, (phone, ""))
        client = world.agbis.add_client(mobile, landline=landline, at=now - timedelta(days=50))
        order = world.agbis.add_order(client, at=now - timedelta(hours=30))
        world.agbis.pay(order, "2800.50", at=now - timedelta(hours=29))
    early, late = now - timedelta(days=9), now - timedelta(days=4)
    for caller in (LANDLINE, SECOND, SHARED):
        world.comagic.add_call(caller, early)
    world.comagic.add_call(numbers[2], early, site_id=None)
    world.comagic.add_call(numbers[2], late)
    world.comagic.add_call(numbers[3], early, site_id=SITE_WITHOUT_SALES_ID)
    world.comagic.add_call(numbers[3], late)
    world.comagic.add_call(numbers[4], early, site_id=SITE_WITHOUT_SALES_ID)
