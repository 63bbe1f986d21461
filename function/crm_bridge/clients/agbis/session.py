"""The session of the Agbis user: kept, refreshed in time, and begun anew as rarely as can be.

A session lives ten minutes and `RefreshSession` replaces both of its ids. Calling `Login` again instead blocks the
user for two minutes, which is why what we know is kept in the store, and why the time of a login is saved before it
is tried: a process that dies in the middle of it must not make the next one log in too early.
"""

from __future__ import annotations

import math
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import httpx
from msgspec.structs import replace

from crm_bridge.clients.agbis import wire
from crm_bridge.clients.agbis.http import AgbisHttp, ConnectionFailed, PerLoopLock, Throttle
from crm_bridge.clients.retry import AGBIS_BLOCK_SECONDS
from crm_bridge.clock import Clock
from crm_bridge.domain.state import CrmSession
from crm_bridge.errors import (
    AccessDenied,
    Barrier,
    RemoteProtocolError,
    RemoteRejected,
    RemoteTimeout,
    RemoteUnavailable,
)
from crm_bridge.redaction import redact_remote

_USED_FOR = timedelta(minutes=8)  # of the ten it lives; whether use prolongs it is not known
_REFRESHED_FOR = timedelta(hours=23, minutes=30)  # of a day-old refresh id nobody knows; a login surely is one request
_BETWEEN_LOGINS = timedelta(seconds=AGBIS_BLOCK_SECONDS)
_CLOCK_SKEW = timedelta(minutes=1)  # another machine's clock may be ahead of ours by as much
_NEVER = datetime(2000, 1, 1, tzinfo=UTC)


class SessionStore(Protocol):
    """The part of the store that keeps the session between runs."""

    async def state(self, kind: type[CrmSession], /) -> CrmSession | None: ...

    async def save_state(self, state: CrmSession, /) -> None: ...


class AgbisSession:
    """The session, shared by everything in this process that asks Agbis.

    However many tasks find it old at once, one of them renews it and the others wait for that.

    Attributes:
        turn: Held by whoever asks Agbis something at the moment.
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
        self._api = AgbisHttp(http=http, url=url, clock=clock, throttle=self.throttle)
        self._user = user
        self._password = password
        self._store = store
        self._clock = clock
        self._known: CrmSession | None = None
        self._renewing = PerLoopLock()

    async def session_id(self, requests: Counter[str]) -> str:
        """Return the id of a session that should still be good, renewing it when it is 8 minutes old.

        Args:
            requests: Counts the HTTP requests made for it.

        Raises:
            AccessDenied: The user or the password is wrong.
            RemoteUnavailable, RemoteProtocolError: There is no session for now.
        """
        if self._known is not None and self._is_good(self._known, refused=None):
            return self._known.session_id
        return await self.renew(None, requests)

    async def check(self, requests: Counter[str]) -> None:
        """Make sure that there is a session which Agbis accepts, for somebody who waits for the answer.

        A session that should still be good is shown to Agbis (`ValidSessionID`); otherwise it is refreshed, or begun
        with a single login. Nothing waits until a login is allowed again: that is told instead.

        Raises:
            AccessDenied: The user or the password is wrong.
            RemoteUnavailable, RemoteProtocolError: It cannot be told now.
        """
        known = await self._newest()
        if not self._is_good(known, refused=None):
            await self.renew(None, requests, at_once=True)
            return
        try:
            request = wire.valid_session(self._api.base, known.session_id)
            await self._api.call_once(request, requests)
        except RemoteRejected as exc:
            if exc.code not in wire.REFUSED_SESSION:
                raise
            await self.renew(known.session_id, requests, at_once=True)

    async def renew(self, refused: str | None, requests: Counter[str], *, at_once: bool = False) -> str:
        """Return the id of another session than the refused one: somebody's newer one, a refreshed or a new one.

        Args:
            refused: The id that a call was refused with; None when it only got old.
            requests: Counts the HTTP requests made for it.
            at_once: Do not wait until a login is allowed, and log in no more than once.

        Raises:
            RemoteError: Like `session_id`.
        """
        try:
            async with self._renewing.of_this_loop():
                known = await self._newest()
                if not self._is_good(known, refused):
                    refreshed = await self._refresh(known, requests, at_once=at_once)
                    known = refreshed or await self._log_in(known, refused, requests, at_once=at_once)
                self._known = known
                return known.session_id
        except RemoteTimeout as exc:  # which would look as if the window that needs the session were too wide
            raise RemoteUnavailable(wire.SYSTEM, str(exc)) from exc

    def _is_good(self, session: CrmSession, refused: str | None) -> bool:
        age = self._clock.now() - session.renewed_at
        return bool(session.session_id) and session.session_id != refused and -_CLOCK_SKEW <= age < _USED_FOR

    async def _newest(self) -> CrmSession:
        """Return what is known by now; another process may have renewed the session meanwhile."""
        known = self._known or CrmSession(session_id="", refresh_id="", renewed_at=_NEVER, login_at=_NEVER)
        stored = await self._store.state(CrmSession)
        if stored is None:
            return known
        newer = stored if stored.renewed_at >= known.renewed_at else known
        login_at = max(stored.login_at, known.login_at)
        return replace(newer, login_at=min(login_at, self._clock.now()))  # a clock that ran ahead must not stop us

    async def _refresh(self, known: CrmSession, requests: Counter[str], *, at_once: bool) -> CrmSession | None:
        if not known.refresh_id or self._clock.now() - known.renewed_at >= _REFRESHED_FOR:
            return None
        call = self._api.call_once if at_once else self._api.call
        try:
            answer = await call(wire.refresh(self._api.base, known.refresh_id), requests)
        except RemoteRejected:
            return None  # how long a refresh id lives is not documented: every refusal means that it is over
        return await self._save_new(wire.REFRESH_SESSION, answer, login_at=known.login_at)

    async def _log_in(
        self, known: CrmSession, refused: str | None, requests: Counter[str], *, at_once: bool
    ) -> CrmSession:
        """Log in, and once more two minutes later when the failure may pass."""
        for last in (False, True):
            while (pause := known.login_at + _BETWEEN_LOGINS - self._clock.now()) > timedelta():
                if at_once:
                    seconds = math.ceil(pause.total_seconds())
                    raise RemoteUnavailable(
                        wire.SYSTEM,
                        f"Agbis: {wire.LOGIN}: the next login is allowed in {seconds} s",
                        retry_after=seconds,
                    )
                await self._clock.sleep(pause.total_seconds())
                known = await self._newest()
                if self._is_good(known, refused):
                    return known
            known = CrmSession(session_id="", refresh_id="", renewed_at=known.renewed_at, login_at=self._clock.now())
            self._known = known
            await self._store.save_state(known)
            request = wire.login(self._api.base, self._user, self._password)
            try:
                return await self._save_new(
                    wire.LOGIN, await self._api.call_once(request, requests), login_at=known.login_at
                )
            except RemoteRejected as exc:
                # Error 1 or 2 means wrong credentials, and trying again would only get the user blocked.
                reason = redact_remote(exc, secrets=(self._password, wire.password_hash(self._password), self._user))
                message = f"{reason} (AGBIS_USER and AGBIS_PASSWORD are to be checked)"
                raise AccessDenied(wire.SYSTEM, exc.code, message, barrier=Barrier.KEY, fatal=True) from None
            except (RemoteUnavailable, RemoteProtocolError) as exc:
                if last or at_once or isinstance(exc, ConnectionFailed):
                    raise
        raise AssertionError  # pragma: no cover - the second round returns or raises

    async def _save_new(self, command: str, answer: dict[str, Any], *, login_at: datetime) -> CrmSession:
        session_id, refresh_id = wire.session_ids(command, answer)
        started = CrmSession(
            session_id=session_id, refresh_id=refresh_id, renewed_at=self._clock.now(), login_at=login_at
        )
        self._known = started
        await self._store.save_state(started)
        return started
