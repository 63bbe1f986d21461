"""The checks of `/check_setup` as plain data, the same for JSON and for pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from crm_bridge.translations import Translator

if TYPE_CHECKING:
    from crm_bridge.domain.setup_check import Check


def setup_view(checks: Sequence[Check], t: Translator) -> dict[str, Any]:
    """Return a row for each check, its hint in the language of `t`."""
    return {
        "ok": all(check.ok for check in checks),
        "checks": [{"name": check.name, "ok": check.ok, "hint": _hint(check, t)} for check in checks],
    }


def _hint(check: Check, t: Translator) -> str:
    if not check.hint:
        return ""
    values = dict(check.values)
    if check.hint == "setup.skipped":
        values["name"] = t(f"check.{values['name']}")
    if "reason" in values:
        values["reason"] = t.from_english(str(values["reason"]))
    return t(check.hint, **values)
