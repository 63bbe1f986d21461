"""An account in which something has happened, for clients that want to see rows."""

from datetime import timedelta

from tests.sandbox.clock import ManualClock
from tests.sandbox.comagic.simulator import CoMagic
from tests.support.factories import NOON


def lived_in() -> CoMagic:
    """Return an account on a clock that stands, with communications of every kind, a tag and a sale."""
    comagic = CoMagic(ManualClock(NOON))
    calls = [
        comagic.add_call(f"7999000{number:04d}", NOON - timedelta(hours=number + 1), lost=number % 5 == 4)
        for number in range(30)
    ]
    for number in range(10):
        at = NOON - timedelta(hours=3 * number + 1)
        comagic.add_chat(f"7999100{number:04d}", at)
        comagic.add_message(f"7999200{number:04d}", at, email="anna@example.ru")
        comagic.add_goal(at)
    comagic.add_tag(calls[1], "Нецелевой контакт")
    return comagic
