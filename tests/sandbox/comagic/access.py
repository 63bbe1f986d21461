"""What the account has switched on, and what the key may do."""

from typing import Any

from tests.sandbox.comagic.params import DOCUMENTED, Spec
from tests.sandbox.comagic.switches import CoMagicSwitches

VERBS = ("select", "insert", "update", "delete")
_FACTS = DOCUMENTED["methods"].values()
COMPONENTS = tuple(sorted({name for facts in _FACTS for name in facts.get("components", ())} | {"sales_funnel"}))
UNITS = tuple(sorted({right.partition(":")[0] for facts in _FACTS for right in facts.get("rights", ())}))
_SETS = {"all": COMPONENTS, "call_tracking": ("call_tracking", "va"), "telephony": ("va",)}
# What the switch `consultant` takes away, whatever else is on.
_OF_CONSULTANT = ("get.chats_report", "get.offline_messages_report", "get.chat_messages_report")
_TAG_VERBS = {"update": VERBS, "select": ("select",), "none": ()}


def components(switches: CoMagicSwitches) -> tuple[str, ...]:
    """Return the components that are on."""
    return _SETS[switches.components]


def has_component(method: str, spec: Spec, switches: CoMagicSwitches) -> bool:
    """Return whether one of the components that a method needs is on."""
    if method in _OF_CONSULTANT and not switches.consultant:
        return False
    return not spec.components or any(name in components(switches) for name in spec.components)


def is_granted(right: str, switches: CoMagicSwitches) -> bool:
    """Return whether the key has a right, written as `tag_management: update`."""
    unit, _, verb = right.partition(": ")
    if unit == "tag_management":
        return verb in _TAG_VERBS[switches.tag_rights]
    return switches.key_rights == "all"


def permissions(switches: CoMagicSwitches) -> list[dict[str, Any]]:
    """Return the key's rights as `getobj.account` lists them."""
    return [
        {"unit_id": unit} | {f"is_{verb}": is_granted(f"{unit}: {verb}", switches) for verb in VERBS} for unit in UNITS
    ]
