"""What the program remembers between runs, one record of each kind."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct


class Watermark(Struct, frozen=True, kw_only=True):
    """How far the CRM has been read.

    Attributes:
        read_until: All changes up to here are stored, aware; None before a first window is.
        refreshed_at: When a refresh last went through whole, aware; None when none has.
    """

    read_until: datetime | None
    refreshed_at: datetime | None


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


State = Watermark | SaleTag | CrmSession
