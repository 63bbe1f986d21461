"""One-time tokens of the home page's buttons: the id of the run that the button starts, signed."""

from __future__ import annotations

import hashlib
import hmac
import re
import uuid
from datetime import UTC, datetime, timedelta

from crm_bridge.settings import Settings

_VALID = timedelta(hours=12)
_FORM = re.compile(r"(?P<run_id>[0-9a-f]{32})\.(?P<made>[0-9]{10})\.(?P<signature>[0-9a-f]{64})")


def make_token(settings: Settings, now: datetime) -> str:
    """Return a token for a run that nobody has started yet."""
    signed = f"{uuid.uuid4().hex}.{int(now.timestamp())}"
    return f"{signed}.{_signature(settings, signed)}"


def read_token(settings: Settings, token: str) -> tuple[str, datetime] | None:
    """Return the run's id, and until when it may be started; None for a token that is not ours."""
    match = _FORM.fullmatch(token)
    if match is None:
        return None
    signed = f"{match['run_id']}.{match['made']}"
    if not hmac.compare_digest(_signature(settings, signed), match["signature"]):
        return None
    made = datetime.fromtimestamp(int(match["made"]), tz=UTC)
    return match["run_id"], made + _VALID


def _signature(settings: Settings, text: str) -> str:
    """Sign with CoMagic's key: every instance has it, and without it no run can be started."""
    key = f"start {settings.comagic_token}".encode()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
