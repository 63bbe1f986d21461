"""Everything that people read, in English."""

from __future__ import annotations

from crm_bridge.translations.en import alerts, explanation, messages, pages, setup

MESSAGES = {
    **explanation.MESSAGES,
    **setup.MESSAGES,
    **alerts.MESSAGES,
    **pages.MESSAGES,
    **messages.MESSAGES,
}
