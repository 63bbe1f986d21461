"""The text of an alert, in Russian: it goes to the people who run the dry cleaner."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from crm_bridge.domain.alert import AlertKind
from crm_bridge.domain.local_time import local_text
from crm_bridge.translations import Translator

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from crm_bridge.domain.alert import Alert


def alert_text(alert: Alert, zone: ZoneInfo) -> tuple[str, str]:
    """Return the title and the body of a message."""
    t = Translator("ru")
    if alert.over:
        return t("alert_title.over"), t(f"alert_over.{alert.kind}")
    title = "alert_title.test" if alert.kind is AlertKind.TEST else "alert_title.begun"
    return t(title), t(f"alert.{alert.kind}", **{name: _shown(value, t, zone) for name, value in alert.values.items()})


def _shown(value: object, t: Translator, zone: ZoneInfo) -> object:
    match value:
        case datetime():
            return local_text(value, zone)
        case str():
            return t.from_english(value)
        case _:
            return value
