"""Under which key each of the bridge's own notes is stored, in the collection `state`."""

from __future__ import annotations

from crm_bridge.domain.alert import AlertNotes
from crm_bridge.domain.state import (
    CrmMoney,
    CrmSession,
    DealAccount,
    DealUpload,
    KnownSites,
    NumbersRead,
    SaleTag,
    Watermark,
)

STATE_KEYS: dict[type[object], str] = {
    Watermark: "watermark",
    SaleTag: "sale_tag",
    CrmSession: "crm_session",
    CrmMoney: "crm_money",
    AlertNotes: "alerts",
    DealAccount: "deal_account",
    DealUpload: "deal_upload",
    KnownSites: "sites",
    NumbersRead: "numbers_read",
}
