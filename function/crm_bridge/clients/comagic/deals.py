"""Deals of CoMagic: funnel, contacts and records as calls of the Data API.

One call takes a thousand records and costs one point; one wrong record fails them all. Every call may be repeated.
Source: docs/remote/comagic-deals.md
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct

from crm_bridge.clients.comagic import wire
from crm_bridge.clients.comagic.errors import SYSTEM
from crm_bridge.clients.comagic.http import ComagicHttp
from crm_bridge.clients.comagic.mapping import data_of
from crm_bridge.clients.json_limits import FIRST_YEAR, LAST_YEAR
from crm_bridge.domain.deal import Deal, DealContact, DealStage, Funnel, FunnelStage, KnownDeal, shortened
from crm_bridge.domain.money import to_kopecks, to_roubles
from crm_bridge.domain.state import DealAccount
from crm_bridge.errors import (
    AccessDenied,
    AlreadyExists,
    RecordPart,
    RecordRefused,
    RemoteProtocolError,
    RemoteRejected,
)
from crm_bridge.redaction import clean_text

MOST_RECORDS = 1000
"""Records or contacts of one call."""

_IDS_PER_FILTER = 200
"""Ids in one `in`: how many are taken is not known (docs/remote/comagic-data-api.md#filters)."""

_FUNNEL_NAME = "Заказы"
_STAGE_NAMES = {
    DealStage.ACCEPTED: "Принят",
    DealStage.PAID: "Оплачен",
    DealStage.ISSUED: "Выдан",
    DealStage.CANCELLED: "Отменён",
}
_STAGE_ORDERS = {DealStage.ACCEPTED: 10, DealStage.PAID: 20}  # with gaps, for stages that people add

_PATH = re.compile(r"\w+\[(\d+)\](?:\.(\w+))?")
_PARTS = {
    "contact_ext_ids": RecordPart.CONTACT,
    "main_contact_ext_id": RecordPart.CONTACT,
    "name": RecordPart.NAME,
    "comments": RecordPart.COMMENT,
    "modified_stage_date_time": RecordPart.TIME,
    "modified_date_time": RecordPart.TIME,
    "created_date_time": RecordPart.TIME,
    "closed_date_time": RecordPart.TIME,
    "stage_ext_id": RecordPart.STAGE,
    "sales_funnel_ext_id": RecordPart.FUNNEL,
}


class _Stage(Struct):
    stage_ext_id: str
    stage_status: str


class _Funnel(Struct):
    ext_id: str
    stages: list[_Stage] | None = None


class _Contact(Struct):
    ext_id: str
    created_date_time: datetime
    phone_numbers: list[str | int] | None = None


class _Record(Struct):
    ext_id: str
    stage_ext_id: str
    created_date_time: datetime
    modified_stage_date_time: datetime
    name: str | None = None
    comments: str | None = None
    revenue: Decimal | None = None
    contact_ext_ids: list[str] | None = None
    communication_id: int | None = None


class _Count(Struct):
    count: int


_FUNNELS = msgspec.json.Decoder(list[_Funnel])
_CONTACTS = msgspec.json.Decoder(list[_Contact])
_RECORDS = msgspec.json.Decoder(list[_Record])
_COUNT = msgspec.json.Decoder(_Count)


class ComagicDeals:
    """A `Deals` for one run."""

    def __init__(self, api: ComagicHttp, zone: ZoneInfo) -> None:
        """Use the calls and the quota of a run.

        Args:
            api: The run's.
            zone: The account's, in which all times are written and read.
        """
        self._api = api
        self._zone = zone

    async def funnel(self, funnel_id: str) -> Funnel | None:
        params = {"limit": 1, "filter": {"field": "ext_id", "operator": "=", "value": funnel_id}}
        for found in data_of(await self._api.call("get.sales_funnel", params), _FUNNELS):
            stages = [FunnelStage(stage_id=each.stage_ext_id, status=each.stage_status) for each in found.stages or ()]
            return Funnel(funnel_id=found.ext_id, stages=tuple(stages))
        return None

    async def create_funnel(self, funnel_id: str) -> None:
        stages = {
            "in_process": [{**_named(stage), "order": order} for stage, order in _STAGE_ORDERS.items()],
            "success": _named(DealStage.ISSUED),
            "failed": _named(DealStage.CANCELLED),
        }
        params = {"ext_id": funnel_id, "name": _FUNNEL_NAME, "stages": stages}
        await self._api.call_once("create.sales_funnel", params)

    async def create_stage(self, funnel_id: str, stage: DealStage) -> None:
        params = {"sales_funnel_ext_id": funnel_id, **_named(stage), "order": _STAGE_ORDERS[stage]}
        await self._api.call_once("create.sales_funnel_stages", params)

    async def contacts(self, client_ids: Collection[str]) -> dict[str, DealContact]:
        found = {}
        for ids in _batches(client_ids):
            params = {"limit": wire.PAGE, "filter": _one_of(ids)}
            for row in data_of(await self._api.call("get.deal_contacts", params), _CONTACTS):
                phones = tuple(clean_text(str(phone)) for phone in row.phone_numbers or ())
                created_at = self._moment(row.created_date_time)
                found[row.ext_id] = DealContact(client_id=row.ext_id, phones=phones, created_at=created_at)
        return found

    async def create_contacts(self, contacts: Sequence[DealContact]) -> None:
        rows = []
        for contact in contacts:
            row: dict[str, Any] = {
                "ext_id": contact.client_id,
                "name": f"Клиент {contact.client_id}",  # the name of a person never leaves the CRM
                "created_date_time": wire.local(contact.created_at, self._zone),
            }
            if contact.phones:
                row["phone_numbers"] = contact.phones
            rows.append(row)
        await self._write_records("create.deal_contacts", {"contacts": rows})

    async def update_contact(self, contact: DealContact) -> None:
        params = {"ext_id": contact.client_id, "phone_numbers": contact.phones}
        await self._api.call_once("update.deal_contacts", params)

    async def upload(self, deals: Sequence[tuple[str, Deal]], account: DealAccount) -> None:
        rows = [self._row(order_id, deal, account) for order_id, deal in deals]
        await self._write_records("upload.deals_history", {"deals": rows})

    async def known(self, order_ids: Collection[str]) -> dict[str, KnownDeal]:
        last: dict[str, tuple[datetime, KnownDeal]] = {}
        made_up = {"field": "is_generated", "operator": "=", "value": False}
        for ids in _batches(order_ids):
            params = {
                "limit": wire.PAGE,
                "fields": _Record.__struct_fields__,
                "filter": {"condition": "and", "filters": [_one_of(ids), made_up]},
            }
            for row in data_of(await self._api.call("get.deals_history", params), _RECORDS):
                if row.ext_id not in last or last[row.ext_id][0] <= row.modified_stage_date_time:
                    last[row.ext_id] = (row.modified_stage_date_time, self._known(row))
        return {order_id: deal for order_id, (_, deal) in last.items()}

    async def in_processing(self) -> int:
        answer = await self._api.call("get.deals_in_processing", {})
        try:
            return _COUNT.decode(answer.data).count
        except (msgspec.DecodeError, UnicodeDecodeError) as exc:
            raise RemoteProtocolError(SYSTEM, f"CoMagic: data that is not as documented: {exc}") from exc

    async def delete(self, order_id: str) -> None:
        await self._api.call_once("delete.deals", {"ext_id": order_id})

    async def _write_records(self, method: str, params: dict[str, Any]) -> None:
        try:
            await self._api.call_once(method, params)
        except (AccessDenied, AlreadyExists):
            raise
        except RemoteRejected as exc:
            match = _PATH.match(exc.field or "")
            part = _PARTS.get(match[2] or "", RecordPart.OTHER) if match else RecordPart.OTHER
            raise RecordRefused(exc, part=part, index=int(match[1]) if match else None) from exc

    def _row(self, order_id: str, deal: Deal, account: DealAccount) -> dict[str, Any]:
        row: dict[str, Any] = {
            "ext_id": order_id,
            "name": deal.name[: account.name_limit],
            "created_date_time": wire.local(deal.created_at, self._zone),
            "modified_date_time": wire.local(deal.modified_at, self._zone),
            "modified_stage_date_time": wire.local(deal.stage_at, self._zone),
            "sales_funnel_ext_id": account.funnel,
            "stage_ext_id": account.stages[deal.stage],
            "revenue": to_roubles(deal.revenue_kopecks),
            "contact_ext_ids": [deal.client_id],
            "main_contact_ext_id": deal.client_id,
        }
        if comment := shortened(deal.comment, account.comment_limit):
            row["comments"] = comment
        if deal.stage.is_closed:
            row["closed_date_time"] = wire.local(deal.stage_at, self._zone)
        if deal.communication_type is not None:  # it wins over the contact, which the reports then show beside it
            row |= {"communication_id": deal.communication_id, "communication_type": deal.communication_type.value}
        return row

    def _known(self, row: _Record) -> KnownDeal:
        return KnownDeal(
            name=clean_text(row.name or ""),
            comment=clean_text(row.comments or ""),
            stage_id=row.stage_ext_id,
            created_at=self._moment(row.created_date_time),
            stage_at=self._moment(row.modified_stage_date_time),
            revenue_kopecks=None if row.revenue is None else to_kopecks(row.revenue),
            client_ids=tuple(row.contact_ext_ids or ()),
            communication_id=row.communication_id,
        )

    def _moment(self, written: datetime) -> datetime:
        if not FIRST_YEAR <= written.year <= LAST_YEAR:
            raise RemoteProtocolError(SYSTEM, "CoMagic: a time outside of the years 2000 to 2100")
        return (written if written.tzinfo else written.replace(tzinfo=self._zone)).astimezone(UTC)


def _named(stage: DealStage) -> dict[str, Any]:
    return {"ext_id": stage.value, "name": _STAGE_NAMES[stage]}


def _one_of(ids: Sequence[str]) -> dict[str, Any]:
    return {"field": "ext_id", "operator": "in", "value": ids}


def _batches(ids: Collection[str]) -> list[list[str]]:
    wanted = sorted(set(ids))
    return [wanted[start : start + _IDS_PER_FILTER] for start in range(0, len(wanted), _IDS_PER_FILTER)]
