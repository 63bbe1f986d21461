"""Pages from the templates. All values are escaped; style and script are part of each page."""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from crm_bridge.presentation.csv_export import remarks
from crm_bridge.presentation.phone_text import phone_text
from crm_bridge.presentation.run_view import asked, figures_text, outcome
from crm_bridge.translations import Translator

_HERE = Path(__file__).parent
_STYLE = (_HERE / "static" / "style.css").read_text(encoding="utf-8")
_SCRIPT = (_HERE / "static" / "script.js").read_text(encoding="utf-8")


def _source(text: str) -> str:
    """Return the source expression of an inline asset in a Content-Security-Policy."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


STYLE_HASH = _source(_STYLE)
SCRIPT_HASH = _source(_SCRIPT)


def page(template: str, t: Translator, **values: object) -> str:
    """Render a template in the language of `t`."""
    return _environment().get_template(template).render(t=t, money=t.money, dates=t.dates, **values)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals.update(
        style=Markup(_STYLE),  # noqa: S704 - our own files; the policy names their hashes
        script=Markup(_SCRIPT),  # noqa: S704
        remarks=remarks,
        asked=asked,
        figures_text=figures_text,
        outcome=outcome,
        phone_text=phone_text,
    )
    return environment
