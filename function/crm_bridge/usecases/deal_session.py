"""What all steps of sending deals share: the calls, repeated while their outcome is unknown, and what is known."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from msgspec import Struct, field
from msgspec.structs import replace

from crm_bridge.deals_port import Deals
from crm_bridge.domain.aggregate import Order
from crm_bridge.domain.deal import Base, Deal, DealStage, SentDeal
from crm_bridge.domain.deal_of_order import sent
from crm_bridge.domain.state import DealAccount, DealUpload
from crm_bridge.errors import AlreadyExists, QuotaSpent, RemoteProtocolError, RemoteRejected, RemoteUnavailable
from crm_bridge.ports import Changes
from crm_bridge.usecases.lease import LeaseKeeper
from crm_bridge.usecases.run_context import RunContext

T = TypeVar("T")

_PAUSES = (2, 8)
"""Seconds before a call whose outcome is unknown is made again."""

_LAST_SECONDS = 5
"""What a call under way gets when the process is being ended: Cloud Run kills it 10 s after SIGTERM."""

_MOST_SENT = 5000
"""Deals of unknown outcome that are remembered: 850 kB of a document."""


class DealItem(Struct, frozen=True, kw_only=True):
    """An order whose deal is to be sent."""

    order: Order
    deal: Deal
    base: Base | None

    @property
    def id(self) -> str:
        return self.order.order_id


class DealSession(Struct, kw_only=True):
    """The deals of one run.

    Attributes:
        account: What was learned of the account; without stages until the funnel was looked for.
        sent: Deals that may have reached CoMagic, by order id.
        unsure: Those of them whose last call had no answer, in this run or in one before.
        new_contacts: Clients whose contacts this run has made: CoMagic may not see them at once.
    """

    context: RunContext
    deals: Deals
    lease: LeaseKeeper
    account: DealAccount
    sent: dict[str, SentDeal] = field(default_factory=dict)
    unsure: set[str] = field(default_factory=set)
    new_contacts: set[str] = field(default_factory=set)

    async def read(self, call: Awaitable[T]) -> T:
        """Wait for a call that changes nothing; the client repeats it."""
        return await self.context.deadline.unless_stopped(call)

    async def write(self, call: Callable[[], Awaitable[T]], *, on_unknown: Callable[[], None] | None = None) -> T:
        """Make a call that writes, and make it again while its outcome is unknown: that does no harm.

        Args:
            call: Makes it.
            on_unknown: Called when the outcome is unknown.

        Raises:
            RemoteUnavailable, RemoteProtocolError: It remains unknown.
            QuotaSpent, RemoteRejected, RunStopped: It was not done.
            LeaseLost: Another run has taken over; nothing was started.
        """
        deadline = self.context.deadline
        for pause in (*_PAUSES, None):
            await self.lease.check()
            try:
                return await deadline.unless_stopped(call(), grace=_LAST_SECONDS)
            except QuotaSpent:
                raise
            except (RemoteUnavailable, RemoteProtocolError):
                if on_unknown is not None:
                    on_unknown()
                if pause is None or deadline.must_stop():
                    raise
            await deadline.sleep(pause)
        raise AssertionError("the last attempt returns or raises")

    async def save_account(self, account: DealAccount) -> None:
        """Remember what was learned."""
        self.account = account
        await self.lease.write([Changes(state=[account])])

    async def begin(self, items: list[DealItem]) -> None:
        """Remember what is going to be sent: a stage that CoMagic may have keeps its time."""
        self.sent.update((item.id, sent(item.id, item.deal)) for item in items)
        for order_id in list(self.sent)[: max(0, len(self.sent) - _MOST_SENT)]:
            del self.sent[order_id]
        await self.lease.write([Changes(state=[DealUpload(sent=tuple(self.sent.values()))])])

    async def settle(self, orders: list[Order]) -> None:
        """Store orders whose deals were accepted or refused."""
        changes = [Changes(orders=[order]) for order in orders]
        known = len(self.sent)
        for order in orders:
            self.sent.pop(order.order_id, None)
            self.unsure.discard(order.order_id)
        if len(self.sent) < known:
            changes.append(Changes(state=[DealUpload(sent=tuple(self.sent.values()))]))
        await self.lease.write(changes)

    async def ensure_funnel(self) -> None:
        """Find the funnel, or make it, and remember the ids of its stages.

        Raises:
            AccessDenied: The account has no deals.
            RemoteRejected: The funnel has no stage for success or failure.
        """
        funnel_id = self.context.services.settings.comagic_deals_funnel
        if self.account.funnel == funnel_id and len(self.account.stages) == len(DealStage):
            return
        found = await self.read(self.deals.funnel(funnel_id))
        if found is None:
            try:
                await self.write(lambda: self.deals.create_funnel(funnel_id))
                stages = {stage: str(stage) for stage in DealStage}
            except AlreadyExists:  # by a call before, whose answer was lost
                found = await self.read(self.deals.funnel(funnel_id))
        if found is not None:
            stages = found.ids()
            for stage in DealStage:
                if stage not in stages and not stage.is_closed:
                    await self._create_stage(funnel_id, stage)
                    stages[stage] = str(stage)
        if missing := [stage for stage in DealStage if stage not in stages]:
            raise RemoteRejected("CoMagic", "no_stage", f"CoMagic: {funnel_id}: the funnel has no stage «{missing[0]}»")
        await self.save_account(replace(self.account, funnel=funnel_id, stages=stages))

    async def _create_stage(self, funnel_id: str, stage: DealStage) -> None:
        try:
            await self.write(lambda: self.deals.create_stage(funnel_id, stage))
        except AlreadyExists:
            return
