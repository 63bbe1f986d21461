"""What the program remembers between runs, one record of each kind."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from msgspec import Struct, field

from crm_bridge.domain.alert import AlertNotes
from crm_bridge.domain.communication import Site
from crm_bridge.domain.deal import COMMENT_LIMIT, NAME_LIMIT, DealStage, SentDeal


class Watermark(Struct, frozen=True, kw_only=True):
    """How far the CRM has been read.

    Attributes:
        read_until: All changes up to here are stored, aware; None before a first window is.
        refreshed_at: When an ordinary refresh last went through whole, aware; None when none has.
    """

    read_until: datetime | None
    refreshed_at: datetime | None

    def as_of(self, now: datetime) -> Watermark:
        """Return the watermark with no time later than now: a clock that ran ahead once has written such ones."""
        minute_end = now.replace(second=0, microsecond=0) + timedelta(minutes=1)  # windows end with whole minutes
        return Watermark(
            read_until=None if self.read_until is None else min(self.read_until, minute_end),
            refreshed_at=None if self.refreshed_at is None else min(self.refreshed_at, now),
        )


class SaleTag(Struct, frozen=True, kw_only=True):
    """The account's id of the tag «Продажа», found once through `get.tags`."""

    tag_id: int


class CrmSession(Struct, frozen=True, kw_only=True):
    """The session of the Agbis user, kept because two logins within two minutes are refused.

    Attributes:
        session_id, refresh_id: Secrets; empty before the first login has answered. Never logged.
        renewed_at: When the session was last started or refreshed, aware; it lives ten minutes.
        login_at: When a login was last tried, aware, whether it succeeded or not.
    """

    session_id: str
    refresh_id: str
    renewed_at: datetime
    login_at: datetime

    def __repr__(self) -> str:
        return f"CrmSession(renewed_at={self.renewed_at}, login_at={self.login_at})"


class CrmMoney(Struct, frozen=True, kw_only=True):
    """What all stored orders come to, kept up by each commit that changes an order: no sum of the phones' sums.

    Attributes:
        total_kopecks: Net of all orders, at their newest readable versions; below zero when more went back than came.
        without_phone_kopecks: Net of those whose client has no usable phone.
        revision: Counts the changes, so that a run that only reads notices one.
    """

    total_kopecks: int = 0
    without_phone_kopecks: int = 0
    revision: int = 0


class DealAccount(Struct, frozen=True, kw_only=True):
    """What was learned of CoMagic's deals in this account.

    Attributes:
        funnel: The id of the funnel, as COMAGIC_DEALS_FUNNEL had it.
        stages: CoMagic's id of each stage.
        name_limit, comment_limit: The longest texts of a deal that were not refused.
        reuses_ids: Whether a deleted deal can be sent again; None until that was tried.
        linked_until: Up to when changes of sales have reached the deals that name communications, aware.
    """

    funnel: str
    stages: Mapping[DealStage, str] = field(default_factory=dict)
    name_limit: int = NAME_LIMIT
    comment_limit: int = COMMENT_LIMIT
    reuses_ids: bool | None = None
    linked_until: datetime | None = None


class DealUpload(Struct, frozen=True, kw_only=True):
    """Deals that were sent, and of which it is not known whether they arrived.

    It is stored before they are sent, so that a stage that CoMagic may have keeps its time. It is no intent: an unknown
    upload is simply sent again.
    """

    sent: tuple[SentDeal, ...] = ()


class KnownSites(Struct, frozen=True, kw_only=True):
    """The account's sites, as `get.sites` showed them; they are asked for once a local day.

    Attributes:
        read_at: When they were asked for, aware.
        refusal: Why CoMagic did not show them; empty when it did.
    """

    read_at: datetime
    sites: tuple[Site, ...] = ()
    refusal: str = ""


class NumbersRead(Struct, frozen=True, kw_only=True):
    """The further numbers of all clients that we hold are known: a version that knew none has stored them before.

    Attributes:
        at: Since when, aware.
    """

    at: datetime


State = Watermark | SaleTag | CrmSession | CrmMoney | AlertNotes | KnownSites | NumbersRead | DealAccount | DealUpload
