"""Delete a deal, and learn whether a deleted one can be loaded again: docs/remote/comagic-deals.md#unknowns, 6."""

from __future__ import annotations

from msgspec.structs import replace

from crm_bridge.domain.deal import Deal, DealStage
from crm_bridge.errors import NotFound, RecordRefused
from crm_bridge.usecases.deal_session import DealSession

TRIAL_ID = "crm-bridge-trial"
"""A deal that is none; ids of orders are numbers."""


async def learn_reuse(session: DealSession, like: Deal) -> None:
    """Learn, on a trial deal, whether this account takes the id of a deleted deal again: nothing real is lost by it.

    Args:
        session: Remembers the answer.
        like: A deal whose contact exists.
    """
    trial = replace(
        like,
        number="проверка",
        stage=DealStage.ACCEPTED,
        stage_at=like.created_at,
        revenue_kopecks=0,
        comment="",
    )

    async def upload() -> None:
        await session.deals.upload([(TRIAL_ID, trial)], session.account)

    try:
        await session.write(upload)
        await delete_deal(session, TRIAL_ID)
        await session.write(upload)
        await delete_deal(session, TRIAL_ID)
    except RecordRefused:
        await session.save_account(replace(session.account, reuses_ids=False))
    else:
        await session.save_account(replace(session.account, reuses_ids=True))


async def delete_deal(session: DealSession, deal_id: str) -> None:
    """Delete a deal; one that is gone already was deleted by a call whose answer was lost."""
    try:
        await session.write(lambda: session.deals.delete(deal_id))
    except NotFound:
        return
