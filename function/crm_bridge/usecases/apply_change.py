"""Carry out one change of a sale, so that it is made once whatever CoMagic answers.

CoMagic knows no idempotency key. When an answer does not come, the outcome is unknown, and the communication is read
again before anything is repeated.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from enum import Enum, auto

from msgspec import Struct
from msgspec.structs import replace

from crm_bridge.domain.communication import Communication
from crm_bridge.domain.decision import Decision, Result
from crm_bridge.domain.phone import PhoneRecord
from crm_bridge.domain.sale import Sale
from crm_bridge.errors import (
    AlreadyExists,
    InvalidDate,
    NotFound,
    QuotaSpent,
    RemoteError,
    RemoteProtocolError,
    RemoteRejected,
    RemoteUnavailable,
    RunStopped,
)
from crm_bridge.ports import CallTracking
from crm_bridge.usecases.lease import LeaseKeeper
from crm_bridge.usecases.run_context import Deadline

log = logging.getLogger(__name__)

LOOK_PAUSES = (0, 1, 2, 4, 8, 15, 30)
"""Seconds between looks at a communication; together they last as long as a report may be behind."""

_TRIES = 3


class ChangeStatus(Enum):
    """How a change ended."""

    DONE = auto()
    REFUSED = auto()
    UNKNOWN = auto()
    GONE = auto()
    """CoMagic no longer has the communication."""
    MOVED = auto()
    """The sale was taken off, and its phone is to be decided again."""
    DEFERRED = auto()


class Outcome(Struct, frozen=True, kw_only=True):
    """How a change ended.

    Attributes:
        sale_id: CoMagic's id of a sale that was set, when the answer has one.
        error: A stable code when it was not done: CoMagic's mnemonic, `unavailable`, `timeout` or `bad_answer`.
        half_done: The old sale was taken off and the new one is not known to stand.
        restored: The old sale was taken off, now or by an earlier run, and put back.
        stops_the_run: Every other change would meet the same refusal.
    """

    status: ChangeStatus
    sale_id: int | None = None
    error: str | None = None
    half_done: bool = False
    restored: bool = False
    stops_the_run: bool = False


class _CommunicationGone(Exception):
    """CoMagic no longer has the communication."""


class SaleWriter:
    """Carries out changes of one run."""

    def __init__(
        self, call_tracking: CallTracking, deadline: Deadline, lease: LeaseKeeper, *, sale_tag_id: int, at_once: int
    ) -> None:
        self._call_tracking = call_tracking
        self._slots = asyncio.Semaphore(at_once)  # so that a run that must stop has few changes under way
        self._deadline = deadline
        self._lease = lease
        self._tag = sale_tag_id
        self._stopped = False

    def stop(self) -> None:
        """Start no more changes; those under way may finish."""
        self._stopped = True

    def must_stop(self) -> bool:
        """No new change should be started."""
        return self._stopped or self._deadline.must_stop()

    async def carry_out(self, phone: PhoneRecord, decision: Decision) -> Outcome:
        """Make the change that was decided; its intent has been written.

        Raises:
            LeaseLost: Another run has taken over; nothing was started.
        """
        async with self._slots:
            target = decision.target
            if target is None or self.must_stop():
                return Outcome(status=ChangeStatus.DEFERRED)
            return await self._make(phone, decision, target)

    async def _make(self, phone: PhoneRecord, decision: Decision, target: Communication) -> Outcome:
        unset_done = False
        try:
            async with self._call_tracking.reserve_quota(decision.points):
                if self.must_stop():  # the wait for points may have been long
                    return Outcome(status=ChangeStatus.DEFERRED)
                await self._lease.check()
                if decision.unset:
                    await self._unset(target)
                    unset_done = True
                if decision.moves:
                    return Outcome(status=ChangeStatus.MOVED)
                sale_id = await self._set(phone, decision, target) if phone.amount_kopecks > 0 else None
        except _CommunicationGone:
            return Outcome(status=ChangeStatus.GONE)
        except (QuotaSpent, RunStopped):
            return Outcome(status=ChangeStatus.DEFERRED, half_done=unset_done)
        except RemoteRejected as exc:
            # A run that was killed after `unset` leaves a replacement that begins with `set`.
            is_off = unset_done or (decision.result is Result.UPDATED and not decision.unset)
            restored = is_off and await self._restore(phone, decision, target)
            refused = Outcome(
                status=ChangeStatus.REFUSED,
                error=exc.code,
                half_done=is_off and not restored,
                restored=restored,
                stops_the_run=exc.fatal,
            )
            return self._failed(refused, exc)
        except RemoteUnavailable as exc:
            return self._failed(Outcome(status=ChangeStatus.UNKNOWN, error="unavailable", half_done=True), exc)
        except RemoteProtocolError as exc:
            return self._failed(Outcome(status=ChangeStatus.UNKNOWN, error="bad_answer", half_done=True), exc)
        return Outcome(status=ChangeStatus.DONE, sale_id=sale_id)

    def _failed(self, outcome: Outcome, exc: RemoteError) -> Outcome:
        log.warning("change_failed", extra={"error": outcome.error, "reason": str(exc)})
        return outcome

    async def _unset(self, target: Communication) -> None:
        """Take the sale off. Repeating this is harmless, so one look between two tries is enough."""

        async def act() -> None:
            await self._call_tracking.unset_sale(target.key, sale_tag_id=self._tag)

        def off(shown: Communication, error: RemoteError) -> bool:
            # NotFound for a communication that exists means its tag; in some accounts the sum stays visible.
            return not shown.bears_sale or (isinstance(error, RemoteRejected) and not shown.tagged)

        # A report that lags behind may still show the tag, so NotFound is believed only after a while.
        await self._act_once(act, target, off, look_again_in=(NotFound,), waits_in=(NotFound,), pauses=(0,))

    async def _set(self, phone: PhoneRecord, decision: Decision, target: Communication) -> int | None:
        # Of a sale that we took off earlier the sum may still be visible, without its tag.
        may_be_left_over = phone.sale is not None and phone.sale.key == target.key and phone.sale.amount_kopecks == 0
        sale = Sale.of(
            target,
            amount_kopecks=phone.amount_kopecks,
            sold_at=decision.sold_at or target.started_at,
            comment=phone.comment,
        )
        return await self._set_sale(sale, target, may_be_left_over=may_be_left_over)

    async def _restore(self, phone: PhoneRecord, decision: Decision, target: Communication) -> bool:
        """Put the old sale back after the new one was refused; a replacement must never leave nothing.

        Returns:
            Whether the old sale stands again; False also when its sum is not known.
        """
        recorded = phone.sale if phone.sale is not None and phone.sale.key == target.key else None
        amount = decision.previous_kopecks
        if not amount:
            return False
        is_as_recorded = recorded is not None and recorded.amount_kopecks == amount
        old = Sale.of(
            target,
            amount_kopecks=amount,
            sold_at=(recorded.sold_at if recorded is not None and is_as_recorded else None) or target.started_at,
            comment=recorded.comment if recorded is not None and is_as_recorded else "",
        )
        try:
            await self._set_sale(old, target, may_be_left_over=False)
        except (RemoteError, RunStopped, _CommunicationGone) as exc:
            log.warning("sale_not_restored", extra={"reason": str(exc)})
            return False
        return True

    async def _set_sale(self, sale: Sale, target: Communication, *, may_be_left_over: bool) -> int | None:
        """Set a sale; once more with the communication's own time when its date was the reason of a refusal."""
        try:
            return await self._set_sale_once(sale, target, may_be_left_over=may_be_left_over)
        except InvalidDate:
            if sale.sold_at == target.started_at:
                raise
        dated_by_communication = replace(sale, sold_at=target.started_at)
        return await self._set_sale_once(dated_by_communication, target, may_be_left_over=may_be_left_over)

    async def _set_sale_once(self, sale: Sale, target: Communication, *, may_be_left_over: bool) -> int | None:
        async def act() -> int | None:
            return await self._call_tracking.set_sale(sale)

        def stands(shown: Communication, error: RemoteError) -> bool:
            sure = shown.tagged or not may_be_left_over or isinstance(error, RemoteRejected)
            return sure and shown.sale_kopecks == sale.amount_kopecks

        again = (AlreadyExists, NotFound)
        return await self._act_once(
            act, target, stands, look_again_in=again, waits_in=(AlreadyExists,), pauses=LOOK_PAUSES
        )

    async def _act_once(
        self,
        act: Callable[[], Awaitable[int | None]],
        target: Communication,
        is_done: Callable[[Communication, RemoteError], bool],
        *,
        look_again_in: tuple[type[RemoteRejected], ...],
        waits_in: tuple[type[RemoteRejected], ...],
        pauses: tuple[int, ...],
    ) -> int | None:
        """Act; while the outcome is unknown, look before acting again.

        Args:
            act: Makes the change, once.
            target: What to look at.
            is_done: Says whether what is shown is the change, after this error.
            look_again_in: Refusals that may mean that it was done.
            waits_in: Those of them that are believed only when a late report cannot be the reason.
            pauses: Seconds between looks while the outcome is unknown.

        Raises:
            RemoteError: It was refused, or remains unknown.
            _CommunicationGone: CoMagic no longer has the communication.
        """
        for last_try in (False,) * (_TRIES - 1) + (True,):
            try:
                return await act()
            except QuotaSpent:
                raise
            except RemoteError as exc:
                if isinstance(exc, RemoteRejected) and not isinstance(exc, look_again_in):
                    raise
                error = exc
            looks = pauses
            if isinstance(error, RemoteRejected):
                looks = LOOK_PAUSES if isinstance(error, waits_in) else (0,)
            if await self._is_shown(target, is_done, error, looks):
                return None
            if last_try or isinstance(error, RemoteRejected):
                raise error
        return None

    async def _is_shown(
        self,
        target: Communication,
        is_done: Callable[[Communication, RemoteError], bool],
        error: RemoteError,
        pauses: tuple[int, ...],
    ) -> bool:
        for pause in pauses:
            try:
                if pause:
                    await self._deadline.sleep(pause)
                shown = await self._call_tracking.get_communications([target.ref], sale_tag_id=self._tag)
            except (QuotaSpent, RunStopped):  # no more looks in this run, so it remains unknown
                raise error from None
            if target.key not in shown:
                if isinstance(error, NotFound):
                    raise _CommunicationGone  # CoMagic said so itself; a report that does not show it is no proof
                continue
            if is_done(shown[target.key], error):
                return True
        return False
