"""Everything that people read, in English."""

from __future__ import annotations

from crm_bridge.translations.en import explanation, messages, pages, setup

MESSAGES = {**explanation.MESSAGES, **setup.MESSAGES, **pages.MESSAGES, **messages.MESSAGES}
