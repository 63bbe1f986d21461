"""Send one batch of deals, and deal with every refusal, until each is accepted or refused by itself.

What is not known of CoMagic, and what is done about it: docs/remote/comagic-deals.md#unknowns
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from msgspec import Struct, field
from msgspec.structs import replace

from crm_bridge.domain.deal import Base, Deal, DealRefusal, KnownDeal, SentDeal, shortened
from crm_bridge.domain.deal_of_order import deal_of, goes_back_to_work
from crm_bridge.domain.deals_report import DealsReport, RefusedDeal
from crm_bridge.errors import RecordPart, RecordRefused, RemoteRejected, RemoteUnavailable
from crm_bridge.usecases.deal_contacts import DealContacts
from crm_bridge.usecases.deal_reuse import delete_deal, learn_reuse
from crm_bridge.usecases.deal_session import DealItem, DealSession
from crm_bridge.usecases.refused_records import find_refused

log = logging.getLogger(__name__)

_SEEN_WITHIN = (3, 10, 20, 30)
"""Seconds to wait, one after another, until an upload sees the contacts that were just made."""

_PROCESSED_WITHIN = (5, 10, 20, 30, 30, 30)
"""Seconds to wait, one after another, until what was uploaded can be read."""

_SHORTEST = 10
"""Characters: no shorter limit of a text is tried."""

_SHORTER = ((250, 50), (50, 10))
"""Limits of comment and name that are tried on a refusal that names no field."""

_MOST_REFUSED = 50
"""With so many refused deals in a run the fault is in no single order."""


class DealSender(Struct, kw_only=True):
    """Sends the batches of one run.

    Attributes:
        trust_index: The place of a record that a refusal names has proved right.
        waits: Pauses left for contacts that are not seen yet.
        checked: What was compared with CoMagic because of the batch under way; each is tried once a batch.
    """

    session: DealSession
    contacts: DealContacts
    report: DealsReport
    trust_index: bool = True
    waits: list[int] = field(default_factory=lambda: list(_SEEN_WITHIN))
    checked: set[RecordPart] = field(default_factory=set)

    async def send(self, items: list[DealItem]) -> None:
        """Send deals, a thousand at most; their contacts exist.

        Raises:
            RemoteError, RunStopped: The rest is left to the next run; what was accepted is stored.
        """
        self.checked = set()
        await self.session.begin(items)
        rest = items
        while rest:
            refusal = await self._try(rest)
            if refusal is None:
                return
            remaining = await self._remedy(rest, refusal)
            if remaining is not None:
                rest = remaining
                continue
            was_alone = len(rest) == 1
            bad, refusal, rest = await find_refused(rest, refusal, self._try, trust_index=self.trust_index)
            await self._send_alone(bad, refusal, was_sent=was_alone)

    async def refuse(self, item: DealItem, reason: RecordRefused) -> None:
        """Record that a deal is refused by itself.

        Raises:
            RemoteRejected: So many were refused that the fault is in no single order.
        """
        now = self.session.context.services.clock.now()
        before = item.order.deal_refusal
        refusal = DealRefusal(reason=str(reason), at=now, times=before.times + 1 if before else 1)
        await self.session.settle([replace(item.order, deal_due=refusal.next_try, deal_refusal=refusal)])
        self.report.refused.append(RefusedDeal(order_id=item.id, number=item.order.number, reason=refusal.reason))
        log.warning("deal_refused", extra={"order": item.id, "reason": refusal.reason})
        if len(self.report.refused) >= _MOST_REFUSED:
            text = f"{_MOST_REFUSED} deals were refused, the last one: {refusal.reason}"
            raise RemoteRejected("CoMagic", reason.code, text)

    async def _try(self, items: list[DealItem]) -> RecordRefused | None:
        """Send deals in one call; store them when they are accepted."""
        session = self.session
        records = [(item.id, item.deal) for item in items]

        def unknown() -> None:
            session.unsure.update(item.id for item in items)

        try:
            await session.write(lambda: session.deals.upload(records, session.account), on_unknown=unknown)
        except RecordRefused as exc:
            if exc.fatal:
                raise
            return exc
        await self._accept(items)
        return None

    async def _accept(self, items: list[DealItem]) -> None:
        await self.session.settle(
            [replace(item.order, deal=item.deal, deal_due=None, deal_refusal=None) for item in items]
        )
        self.report.uploaded += len(items)
        self.report.revenue_kopecks += sum(item.deal.revenue_kopecks for item in items)

    async def _remedy(self, items: list[DealItem], refusal: RecordRefused) -> list[DealItem] | None:
        """Do something about a refusal that may concern many; return what is to be sent again, or None."""
        is_unnamed = refusal.field is None
        may_be_contact = refusal.is_missing and (refusal.part is RecordPart.CONTACT or is_unnamed)
        if may_be_contact and await self._await_contacts(items, is_named=not is_unnamed):
            return items
        may_be_funnel = refusal.is_missing and (refusal.part in {RecordPart.FUNNEL, RecordPart.STAGE} or is_unnamed)
        if may_be_funnel and self._not_yet(RecordPart.FUNNEL):
            self.session.account = replace(self.session.account, stages={})
            await self.session.ensure_funnel()
            return items
        if refusal.part in {RecordPart.COMMENT, RecordPart.NAME} and await self._shorten(items, refusal.part):
            return items
        unsure = [item for item in items if item.id in self.session.unsure]
        if unsure and (refusal.part is RecordPart.TIME or is_unnamed) and self._not_yet(RecordPart.TIME):
            return await self._compare(items, unsure)
        return None

    def _not_yet(self, part: RecordPart) -> bool:
        if part in self.checked:
            return False
        self.checked.add(part)
        return True

    async def _await_contacts(self, items: list[DealItem], *, is_named: bool) -> bool:
        """Wait until CoMagic sees contacts that were just made; else make those that it no longer has."""
        is_new = any(item.deal.client_id in self.session.new_contacts for item in items)
        if is_new and self.waits:
            await self._sleep(self.waits.pop(0))
            return True
        if self._not_yet(RecordPart.CONTACT) and await self.contacts.ensure_again(items):
            return True
        if is_new and is_named:
            raise RemoteUnavailable("CoMagic", "CoMagic: contacts that were just made are not seen yet")
        return False

    async def _shorten(self, items: list[DealItem], part: RecordPart) -> bool:
        """Learn a shorter limit of a text; False when none is shorter."""
        account = self.session.account
        if part is RecordPart.COMMENT:
            tried = min(account.comment_limit, max(len(item.deal.comment) for item in items))
            account = replace(account, comment_limit=max(_SHORTEST, tried // 2))
        else:
            tried = min(account.name_limit, max(len(item.deal.name) for item in items))
            account = replace(account, name_limit=max(_SHORTEST, tried // 2))
        if tried <= _SHORTEST:
            return False
        await self.session.save_account(account)
        return True

    async def _compare(
        self, items: list[DealItem], unsure: list[DealItem], *, is_alone: bool = False
    ) -> list[DealItem]:
        """Take for accepted what CoMagic has already; return the others, continuing what it has of them.

        A record cannot show whether it renewed a link; one that was refused alone says that it did.
        """
        known = await self._known(unsure)
        rest: list[DealItem] = []
        accepted: list[DealItem] = []
        for item in items:
            if item.id not in known:
                rest.append(item)
                continue
            continued = self._continued(item, known[item.id])
            is_linked = is_alone or item.base is None or item.base.is_linked_like(item.deal)
            is_there = is_linked and self._is_there(continued.deal, known[item.id])
            (accepted if is_there else rest).append(continued)
        if accepted:
            await self._accept(accepted)
        return rest

    async def _known(self, items: list[DealItem]) -> Mapping[str, KnownDeal]:
        """Read what CoMagic has of deals, once nothing is in processing any more."""
        session = self.session
        for pause in (*_PROCESSED_WITHIN, None):
            if await session.read(session.deals.in_processing()) == 0:
                break
            if pause is None:
                raise RemoteUnavailable("CoMagic", "CoMagic: deals are still being processed")
            await self._sleep(pause)
        return await session.read(session.deals.known([item.id for item in items]))

    def _continued(self, item: DealItem, known: KnownDeal) -> DealItem:
        """Return the deal of an order as it goes on from what CoMagic has."""
        stages = {stage_id: stage for stage, stage_id in self.session.account.stages.items()}
        if known.stage_id not in stages:
            return item
        base = SentDeal(
            order_id=item.id,
            created_at=known.created_at,
            stage=stages[known.stage_id],
            stage_at=known.stage_at,
            modified_at=item.deal.modified_at,
            phones=item.deal.phones,
            communication_id=item.deal.communication_id,
        )
        return self._made_again(item, base)

    def _made_again(self, item: DealItem, base: Base | None) -> DealItem:
        services, deal = self.session.context.services, item.deal
        made = deal_of(
            item.order,
            base,
            phones=deal.phones,
            communication=deal.communication,
            zone=services.settings.time_zone,
            now=services.clock.now(),
        )
        return DealItem(order=item.order, deal=made, base=base)

    def _is_there(self, deal: Deal, known: KnownDeal) -> bool:
        account = self.session.account
        return (
            account.stages[deal.stage] == known.stage_id
            and deal.stage_at == known.stage_at
            and deal.revenue_kopecks == known.revenue_kopecks
            and shortened(deal.comment, account.comment_limit) == known.comment
            and known.client_ids == (deal.client_id,)
            and known.communication_id == deal.communication_id
        )

    async def _send_alone(self, item: DealItem, refusal: RecordRefused, *, was_sent: bool) -> None:
        """Send one deal that was refused among others; try what may help it, and record its refusal."""
        if not was_sent:
            again = await self._try([item])
            if again is None:
                self.trust_index = False  # it was another record
                return
            refusal = again
        is_unnamed = refusal.field is None
        may_be_the_way_back = goes_back_to_work(item.deal, item.base) and (
            refusal.part is RecordPart.STAGE or is_unnamed
        )
        if may_be_the_way_back and await self._load_again(item):
            return
        may_be_there = item.base is not None or item.id in self.session.unsure
        if refusal.part is RecordPart.TIME or (is_unnamed and may_be_there):
            remaining = await self._compare([item], [item], is_alone=True)
            if not remaining:
                return
            if remaining != [item] and (await self._try(remaining)) is None:
                return
        if is_unnamed and await self._try_shorter(item):
            return
        if item.deal.communication is not None and await self._try_without_communication(item):
            return
        await self.refuse(item, refusal)

    async def _load_again(self, item: DealItem) -> bool:
        """Delete a failed deal and load it as a new one; False where a deleted deal could not be loaded."""
        session = self.session
        if session.account.reuses_ids is None:
            await learn_reuse(session, item.deal)
        if not session.account.reuses_ids:
            return False
        await delete_deal(session, item.id)
        fresh = self._made_again(item, None)
        fresh = DealItem(order=item.order, deal=replace(fresh.deal, created_at=item.deal.created_at), base=None)
        await session.begin([fresh])
        return await self._try([fresh]) is None

    async def _try_shorter(self, item: DealItem) -> bool:
        before = self.session.account
        for comment_limit, name_limit in _SHORTER:
            if len(item.deal.comment) <= comment_limit and len(item.deal.name) <= name_limit:
                continue
            limits = replace(
                before,
                comment_limit=min(before.comment_limit, comment_limit),
                name_limit=min(before.name_limit, name_limit),
            )
            self.session.account = limits
            if await self._try([item]) is None:
                await self.session.save_account(limits)
                return True
        self.session.account = before
        return False

    async def _try_without_communication(self, item: DealItem) -> bool:
        """Leave the link to CoMagic when it does not have the named communication any more."""
        bare = replace(item.deal, communication_type=None, communication_id=None)
        if await self._try([DealItem(order=item.order, deal=bare, base=item.base)]) is not None:
            return False
        await self.session.settle([replace(item.order, deal=item.deal, deal_due=None, deal_refusal=None)])
        return True

    async def _sleep(self, seconds: int) -> None:
        deadline = self.session.context.deadline
        if deadline.must_stop():
            raise RemoteUnavailable("CoMagic", "CoMagic: there is no time left to wait for its deals")
        await deadline.sleep(seconds)
