"""Switches of the simulators: every switch knows its allowed positions."""

from dataclasses import field, fields
from typing import Any


def choice(default: Any, *others: Any, state: bool = False) -> Any:
    """Declare a switch.

    Args:
        default: The likelier behaviour.
        others: The other positions; a client must work with each.
        state: True for a condition of the account in which a client cannot do its work, or cannot see it
            (a blocked key, a database that is down); such a switch is no unknown of the protocol.
    """
    return field(default=default, metadata={"positions": [default, *others], "state": state})


class Switchboard:
    """Refuses positions that do not exist, so that a typing error in a test is not taken for the default."""

    def __post_init__(self) -> None:
        for item in fields(self):  # type: ignore[arg-type]
            value = getattr(self, item.name)
            positions = item.metadata["positions"]
            if isinstance(value, str) and value not in positions:
                msg = f"{item.name}={value!r}: choose from {positions}"
                raise ValueError(msg)


def all_positions(cls: type, *, states: bool = False) -> dict[str, list[Any]]:
    """List the positions of every switch, the default first.

    Args:
        cls: `AgbisSwitches` or `CoMagicSwitches`.
        states: Also list the switches that make a client's work impossible.
    """
    return {item.name: list(item.metadata["positions"]) for item in fields(cls) if states or not item.metadata["state"]}
