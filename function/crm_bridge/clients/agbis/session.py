"""The session of the Agbis user: kept in the store, renewed in time, and logged in as rarely as possible.

A session lives ten minutes; `RefreshSession` replaces both of its ids. A second `Login` within two minutes blocks the
user instead. So the session is saved for the next process, and the time of a login is saved before the login: a process
that is killed during it must not let the next one log in too early. Source: docs/remote/agbis.md#sessions
"""

from __future__ import annotations

import math
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import httpx
from msgspec.structs import replace

from crm_bridge.clients.agbis import wire
from crm_bridge.clients.agbis.http import AgbisHttp, PerLoopLock, Throttle
from crm_bridge.clients.exchange import ConnectionFailed
from crm_bridge.clients.retry import AGBIS_BLOCK_SECONDS
from crm_bridge.clock import Clock, RunTime
from crm_bridge.domain.state import CrmSession
from crm_bridge.errors import (
    AccessDenied,
    Barrier,
    RemoteProtocolError,
    RemoteRejected,
    RemoteTimeout,
    RemoteUnavailable,
)
from crm_bridge.redaction import redact_remote, register_secrets

_USED_FOR = timedelta(minutes=8)  # a session lives ten; whether use prolongs that is not known
_REFRESHED_FOR = timedelta(hours=23, minutes=30)  # how long a refresh id lives is not known; a login works at any age
_BETWEEN_LOGINS = timedelta(seconds=AGBIS_BLOCK_SECONDS)
_CLOCK_SKEW = timedelta(minutes=1)  # the clock of the process that saved the session may be ahead by as much
_NEVER = datetime(2000, 1, 1, tzinfo=UTC)


class SessionStore(Protocol):
    """The part of the store that keeps the session between runs."""

    async def state(self, kind: type[CrmSession], /) -> CrmSession | None: ...

    async def save_state(self, state: CrmSession, /) -> None: ...


class AgbisSession:
    """The session, shared by all runs of this process. One task renews it while the others wait.

    Attributes:
        throttle: Shared by every request to Agbis, so that they go one at a time.
        secrets: What no message may quote.
    """

    def __init__(
        self,
        *,
        http: httpx.AsyncClient,
        url: str,
        user: str,
        password: str,
        store: SessionStore,
        clock: Clock,
    ) -> None:
        self.throttle = Throttle()
        self.secrets = (password, wire.password_hash(password))
        register_secrets(*self.secrets)
        self._api = AgbisHttp(http=http, url=url, throttle=self.throttle, secrets=self.secrets)
        self._user = user
        self._password = password
        self._store = store
        self._clock = clock
        self._known: CrmSession | None = None
        self._measured: dict[datetime, float] = {}
        self._renewing = PerLoopLock()

    async def session_id(self, requests: Counter[str], time: RunTime) -> str:
        """Return the id of a session that should still be good; renew it when it is 8 minutes old.

        Args:
            requests: Counts the HTTP requests made for it.
            time: The run's; no wait lasts beyond its deadline.

        Raises:
            AccessDenied: The user or the password is wrong.
            RemoteUnavailable, RemoteProtocolError: Agbis gave no session.
            RunStopped: The run's time is over.
        """
        if self._known is not None and self._is_good(self._known, refused=None):
            return self._known.session_id
        return await self.renew(None, requests, time)

    async def check(self, requests: Counter[str], time: RunTime) -> None:
        """Make sure that Agbis accepts our session, for somebody who waits for the answer.

        A session that should still be good is checked by `ValidSessionID`; any other is refreshed, or replaced by a
        single login. When a login is not allowed yet, that is raised instead of waited for.

        Raises:
            AccessDenied: The user or the password is wrong.
            RemoteUnavailable, RemoteProtocolError: Whether Agbis lets us in is not known now.
        """
        known = await self._newest()
        if not self._is_good(known, refused=None):
            await self.renew(None, requests, time, at_once=True)
            return
        try:
            request = wire.valid_session(self._api.base, known.session_id)
            await self._api.call_once(request, requests, time)
        except RemoteRejected as exc:
            if exc.code not in wire.REFUSED_SESSION:
                raise
            await self.renew(known.session_id, requests, time, at_once=True)

    async def renew(self, refused: str | None, requests: Counter[str], time: RunTime, *, at_once: bool = False) -> str:
        """Return the id of another session than the refused one: a newer one of the store, a refreshed or a new one.

        Args:
            refused: The id that a call was refused with; None when the session is only old.
            requests: Counts the HTTP requests made for it.
            time: The run's; no wait lasts beyond its deadline.
            at_once: Do not wait until a login is allowed, and log in at most once.

        Raises:
            RemoteError: Like `session_id`.
        """
        try:
            async with self._renewing.held(time):
                known = await self._newest()
                if not self._is_good(known, refused):
                    refreshed = await self._refresh(known, requests, time, at_once=at_once)
                    known = refreshed or await self._log_in(known, refused, requests, time, at_once=at_once)
                self._known = known
                return known.session_id
        except RemoteTimeout as exc:  # a caller would take it for a window that is too wide, and halve the window
            raise RemoteUnavailable(wire.SYSTEM, str(exc), retry_after=exc.retry_after) from exc

    def _is_good(self, session: CrmSession, refused: str | None) -> bool:
        age = self._since(session.renewed_at)
        return bool(session.session_id) and session.session_id != refused and -_CLOCK_SKEW <= age < _USED_FOR

    async def _newest(self) -> CrmSession:
        """Return the newer one of our session and the stored one, which another process may have renewed."""
        known = self._known or CrmSession(session_id="", refresh_id="", renewed_at=_NEVER, login_at=_NEVER)
        stored = await self._store.state(CrmSession)
        if stored is None:
            return known
        newer = stored if stored.renewed_at >= known.renewed_at else known
        return replace(newer, login_at=max(stored.login_at, known.login_at))

    def _since(self, moment: datetime) -> timedelta:
        """Return how long ago a moment was: measured when it is one of this process, else by the calendar."""
        if (measured := self._measured.get(moment)) is not None:
            return timedelta(seconds=self._clock.monotonic() - measured)
        return self._clock.now() - moment

    def _now(self) -> datetime:
        """Return the present moment, which `_since` measures from now on."""
        now = self._clock.now()
        known = self._known
        kept = (known.renewed_at, known.login_at) if known is not None else ()
        self._measured = {moment: self._measured[moment] for moment in kept if moment in self._measured}
        self._measured[now] = self._clock.monotonic()
        return now

    def _login_pause(self, known: CrmSession) -> float:
        """Return the seconds until a login is allowed; a clock that was ahead of ours must not delay it for longer."""
        pause = _BETWEEN_LOGINS - self._since(known.login_at)
        return min(pause, _BETWEEN_LOGINS).total_seconds()

    async def _refresh(
        self, known: CrmSession, requests: Counter[str], time: RunTime, *, at_once: bool
    ) -> CrmSession | None:
        if not known.refresh_id or self._since(known.renewed_at) >= _REFRESHED_FOR:
            return None
        call = self._api.call_once if at_once else self._api.call
        try:
            answer = await call(wire.refresh(self._api.base, known.refresh_id), requests, time)
        except RemoteRejected:
            return None  # any refusal may mean that the refresh id has expired, and a login helps in each case
        return await self._save_new(wire.REFRESH_SESSION, answer, login_at=min(known.login_at, self._clock.now()))

    async def _log_in(
        self, known: CrmSession, refused: str | None, requests: Counter[str], time: RunTime, *, at_once: bool
    ) -> CrmSession:
        """Log in, and once more two minutes later when the failure may pass."""
        known = await self._await_login(known, refused, time, at_once=at_once)
        if self._is_good(known, refused):
            return known
        try:
            return await self._try_login(known, requests, time)
        except (RemoteUnavailable, RemoteProtocolError) as exc:
            not_before = self._clock.monotonic() + (exc.retry_after or 0)
            known = await self._newest()
            pause = max(exc.retry_after or 0, self._login_pause(known))
            if at_once or isinstance(exc, ConnectionFailed) or pause > time.left():
                raise
        known = await self._await_login(known, refused, time, at_once=False, not_before=not_before)
        return known if self._is_good(known, refused) else await self._try_login(known, requests, time)

    async def _await_login(
        self,
        known: CrmSession,
        refused: str | None,
        time: RunTime,
        *,
        at_once: bool,
        not_before: float = 0,
    ) -> CrmSession:
        """Wait until a login is allowed, or another process has started a session; return the newest session.

        Args:
            not_before: The earliest moment, by the monotonic clock.
        """
        allowed_at = max(not_before, self._clock.monotonic() + self._login_pause(known))
        while (pause := allowed_at - self._clock.monotonic()) > 0:
            if at_once or pause > time.left():
                seconds = math.ceil(pause)
                message = f"Agbis: {wire.LOGIN}: the next login is allowed in {seconds} s"
                raise RemoteUnavailable(wire.SYSTEM, message, retry_after=seconds)
            await time.sleep(pause)
            newest = await self._newest()
            if newest.login_at != known.login_at:  # another process has logged in meanwhile
                allowed_at = max(allowed_at, self._clock.monotonic() + self._login_pause(newest))
            known = newest
            if self._is_good(known, refused):
                break
        return known

    async def _try_login(self, known: CrmSession, requests: Counter[str], time: RunTime) -> CrmSession:
        """Log in once, after saving the time of it.

        Which error means wrong credentials is not documented (1 or 2 by different sources), so every refusal counts as
        that and is final: going on would only get the user blocked. Source: docs/remote/agbis.md#unknowns
        """
        attempt = CrmSession(session_id="", refresh_id="", renewed_at=known.renewed_at, login_at=self._now())
        self._known = attempt
        await self._store.save_state(attempt)
        try:
            login = wire.login(self._api.base, self._user, self._password)
            answer = await self._api.call_once(login, requests, time)
        except RemoteRejected as exc:
            reason = redact_remote(exc, secrets=(*self.secrets, self._user))
            message = f"{reason} (AGBIS_USER and AGBIS_PASSWORD are to be checked)"
            raise AccessDenied(wire.SYSTEM, exc.code, message, barrier=Barrier.KEY, fatal=True) from None
        return await self._save_new(wire.LOGIN, answer, login_at=attempt.login_at)

    async def _save_new(self, command: str, answer: dict[str, Any], *, login_at: datetime) -> CrmSession:
        session_id, refresh_id = wire.session_ids(command, answer)
        started = CrmSession(session_id=session_id, refresh_id=refresh_id, renewed_at=self._now(), login_at=login_at)
        self._known = started
        await self._store.save_state(started)
        return started
