"""Sessions of Agbis: ten minutes, rotated by a refresh, and a guard against logging in too often."""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from tests.sandbox.agbis.switches import AgbisSwitches

LIFE = timedelta(minutes=10)
BLOCK = timedelta(seconds=120)


@dataclass(slots=True)
class Session:
    """An open session and when it ends."""

    id: str
    refresh_id: str
    expires: datetime
    refresh_expires: datetime


class Sessions:
    """All sessions of the one user."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Remove all sessions, and reset the guard against frequent logins."""
        # Guids repeat from run to run, so that a recorded run can be compared with another.
        self._random = random.Random(7)
        self._open: dict[str, Session] = {}
        self._by_refresh: dict[str, Session] = {}
        self._login_allowed: datetime | None = None
        self._blocked = False

    def forget(self) -> None:
        """Lose all sessions, as a restart of the server does."""
        self._open.clear()
        self._by_refresh.clear()

    def expire_now(self, now: datetime) -> None:
        """End the life of every session; it can still be refreshed."""
        for session in self._open.values():
            session.expires = now

    def login_blocked(self, now: datetime, guard_seconds: int) -> bool:
        """Return whether a Login comes too early; such a Login blocks further ones for two minutes."""
        if not guard_seconds or self._login_allowed is None or now >= self._login_allowed:
            self._blocked = False
            return False
        if not self._blocked:
            self._blocked = True
            self._login_allowed = now + BLOCK
        return True

    def open(self, now: datetime, switches: AgbisSwitches) -> Session:
        """Start a session after a good Login."""
        if switches.login_kills_older:
            self.forget()
        self._blocked = False
        self._login_allowed = now + timedelta(seconds=switches.login_guard_seconds)
        return self._new(now, switches)

    def refresh(self, refresh_id: str, now: datetime, switches: AgbisSwitches) -> Session | int:
        """Rotate a session; an error code when that cannot be done."""
        old = self._by_refresh.pop(refresh_id, None)
        if old is None:
            return 106
        self._open.pop(old.id, None)
        if now >= old.refresh_expires:
            return switches.expired_code
        return self._new(now, switches)

    def check(self, session_id: str | None, now: datetime, switches: AgbisSwitches) -> int:
        """Return 0 for a session that is alive, else the error code."""
        if not session_id:
            return 2
        session = self._open.get(session_id)
        if session is None:
            return 106
        if now >= session.expires:
            return switches.expired_code
        if switches.session_slides:
            session.expires = now + LIFE
        return 0

    def close(self, session_id: str) -> None:
        """End a session for good."""
        session = self._open.pop(session_id, None)
        if session is not None:
            self._by_refresh.pop(session.refresh_id, None)

    def _new(self, now: datetime, switches: AgbisSwitches) -> Session:
        life = timedelta(minutes=switches.refresh_life_minutes)
        session = Session(self._guid(), self._guid(), now + LIFE, now + life)
        self._open[session.id] = session
        self._by_refresh[session.refresh_id] = session
        return session

    def _guid(self) -> str:
        return str(UUID(int=self._random.getrandbits(128), version=4)).upper()
