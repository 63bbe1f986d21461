"""A check of the setup (`/check_setup`), as the use case makes it and the views show it."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field


class Check(Struct, frozen=True, kw_only=True):
    """One thing that must hold.

    Attributes:
        hint: The key of a message that says what to do; None when there is nothing to do.
        values: What the braces of the hint's text are filled with.
    """

    name: str
    ok: bool
    hint: str | None = None
    values: Mapping[str, object] = field(default_factory=dict)
