"""Deals on the simulator: what is written, what is read back, and how a refusal names its record."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace as with_changes

from crm_bridge.clients.comagic.client import ComagicClient
from crm_bridge.domain.communication import CommunicationType
from crm_bridge.domain.deal import Deal, DealContact, DealStage, Funnel, FunnelStage
from crm_bridge.domain.state import DealAccount
from crm_bridge.errors import (
    AccessDenied,
    AlreadyExists,
    Barrier,
    NotFound,
    QuotaSpent,
    RecordPart,
    RecordRefused,
    RemoteProtocolError,
    RemoteUnavailable,
)
from tests.clients.harness import ComagicHarness
from tests.sandbox.faults import Fault
from tests.support.factories import ANNA, BORIS, NOON

pytestmark = pytest.mark.anyio

ACCOUNT = DealAccount(funnel="agbis", stages={stage: str(stage) for stage in DealStage})
CREATED = NOON - timedelta(days=1)


def deal(**fields: Any) -> Deal:
    plain: dict[str, Any] = {
        "number": "02361-3",
        "created_at": CREATED,
        "stage": DealStage.PAID,
        "stage_at": NOON - timedelta(hours=2),
        "modified_at": NOON - timedelta(hours=1),
        "revenue_kopecks": 430_050,
        "comment": "Химчистка пальто, Стирка пуховика",
        "client_id": "12345",
        "phones": (ANNA,),
    }
    return Deal(**plain | fields)


def contact(client_id: str = "12345", *phones: str) -> DealContact:
    return DealContact(client_id=client_id, phones=phones or (ANNA,), created_at=CREATED)


@pytest.fixture
def harness() -> ComagicHarness:
    return ComagicHarness()


@pytest.fixture
async def client(harness: ComagicHarness) -> ComagicClient:
    """A client of an account with a funnel and a contact."""
    client = harness.client()
    await client.deals.create_funnel("agbis")
    await client.deals.create_contacts([contact()])
    return client


def move(harness: ComagicHarness, **switches: Any) -> None:
    harness.comagic.deal_switches = replace(harness.comagic.deal_switches, **switches)


async def test_a_funnel_is_made_with_its_stages_and_read_back(harness: ComagicHarness) -> None:
    client = harness.client()

    assert await client.deals.funnel("agbis") is None
    await client.deals.create_funnel("agbis")
    found = await client.deals.funnel("agbis")

    assert found is not None
    assert found.ids() == {stage: str(stage) for stage in DealStage}
    stages = harness.comagic.deals.references.funnels["agbis"].stages.values()
    assert [stage.name for stage in stages] == ["Принят", "Оплачен", "Выдан", "Отменён"]
    with pytest.raises(AlreadyExists):
        await client.deals.create_funnel("agbis")


async def test_a_funnel_of_others_gets_the_stages_in_work_that_it_lacks(client: ComagicClient) -> None:
    theirs = Funnel(
        funnel_id="x",
        stages=(
            FunnelStage(stage_id="new", status="in_process"),
            FunnelStage(stage_id="won", status="success"),
            FunnelStage(stage_id="lost", status="failed"),
            FunnelStage(stage_id="paid", status="in_process"),
        ),
    )

    assert theirs.ids() == {DealStage.PAID: "paid", DealStage.ISSUED: "won", DealStage.CANCELLED: "lost"}


async def test_a_stage_is_added_to_a_funnel(client: ComagicClient, harness: ComagicHarness) -> None:
    del harness.comagic.deals.references.funnels["agbis"].stages["paid"]

    await client.deals.create_stage("agbis", DealStage.PAID)

    stage = harness.comagic.deals.references.funnels["agbis"].stages["paid"]
    assert (stage.name, stage.status, stage.order) == ("Оплачен", "in_process", 20)


async def test_a_record_arrives_to_the_kopeck_and_is_read_back(client: ComagicClient, harness: ComagicHarness) -> None:
    await client.deals.upload([("1062062", deal())], ACCOUNT)

    last = harness.comagic.deals.deals["1062062"].last
    assert (last.name, last.comments) == ("Заказ 02361-3", "Химчистка пальто, Стирка пуховика")
    assert (last.revenue_kopecks, last.contacts, last.communication) == (430_050, ("12345",), None)
    assert (last.created, last.stage_at, last.closed) == (CREATED, NOON - timedelta(hours=2), None)
    assert last.modified == NOON - timedelta(hours=1)
    known = (await client.deals.known(["1062062", "1"]))["1062062"]
    assert (known.name, known.comment, known.stage_id) == (last.name, last.comments, "paid")
    assert (known.created_at, known.stage_at) == (last.created, last.stage_at)
    assert (known.revenue_kopecks, known.client_ids) == (430_050, ("12345",))


async def test_the_last_of_the_loaded_records_is_read_back(client: ComagicClient) -> None:
    issued = deal(stage=DealStage.ISSUED, stage_at=NOON, modified_at=NOON, revenue_kopecks=-1)
    await client.deals.upload([("1", deal()), ("1", issued), ("2", deal(stage=DealStage.ISSUED))], ACCOUNT)

    known = await client.deals.known(["1", "2"])

    assert (known["1"].stage_id, known["1"].revenue_kopecks) == ("issued", -1)
    assert known["2"].stage_id == "issued"


async def test_a_closed_deal_is_closed_when_its_stage_was_reached(
    client: ComagicClient, harness: ComagicHarness
) -> None:
    await client.deals.upload([("1", deal(stage=DealStage.CANCELLED))], ACCOUNT)

    assert harness.comagic.deals.deals["1"].last.closed == NOON - timedelta(hours=2)


async def test_a_communication_is_named_beside_the_contact(client: ComagicClient, harness: ComagicHarness) -> None:
    chat = harness.comagic.add_chat(BORIS, NOON - timedelta(days=3))
    named = deal(communication_type=CommunicationType.CHAT, communication_id=chat)

    await client.deals.upload([("1", named)], ACCOUNT)

    assert [row.communication_id for row in harness.comagic.deals.communications_of("1")] == [chat]
    assert harness.comagic.deals.deals["1"].last.contacts == ("12345",)


async def test_texts_are_shortened_to_what_the_account_takes(client: ComagicClient, harness: ComagicHarness) -> None:
    short = with_changes(ACCOUNT, name_limit=9, comment_limit=20)

    await client.deals.upload([("1", deal()), ("2", deal(comment=""))], short)

    last = harness.comagic.deals.deals["1"].last
    assert (last.name, last.comments) == ("Заказ 023", "Химчистка пальто")
    assert harness.comagic.deals.deals["2"].last.comments is None


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ({"client_id": "7"}, RecordPart.CONTACT),
        ({"comment": "x" * 1001}, RecordPart.COMMENT),
        ({"number": "x" * 300}, RecordPart.NAME),
        ({"stage_at": CREATED - timedelta(hours=1)}, RecordPart.TIME),
        ({"communication_type": CommunicationType.CALL, "communication_id": 1}, RecordPart.OTHER),
    ],
)
async def test_a_refusal_names_the_record_and_the_part(
    client: ComagicClient, harness: ComagicHarness, fields: dict[str, Any], part: RecordPart
) -> None:
    long = with_changes(ACCOUNT, name_limit=10_000, comment_limit=10_000)

    with pytest.raises(RecordRefused) as caught:
        await client.deals.upload([("1", deal()), ("2", deal(**fields))], long)

    assert (caught.value.part, caught.value.index) == (part, 1)
    assert str(caught.value).startswith(f"CoMagic: {caught.value.code}: ")
    assert harness.comagic.deals.deals == {}


async def test_a_funnel_that_is_gone_is_a_part_too(client: ComagicClient) -> None:
    with pytest.raises(RecordRefused) as caught:
        await client.deals.upload([("1", deal())], with_changes(ACCOUNT, funnel="other"))

    assert (caught.value.part, caught.value.is_missing) == (RecordPart.FUNNEL, True)


async def test_a_refusal_may_name_nothing(client: ComagicClient, harness: ComagicHarness) -> None:
    move(harness, error_fields="absent")

    with pytest.raises(RecordRefused) as caught:
        await client.deals.upload([("1", deal(client_id="7"))], ACCOUNT)

    assert (caught.value.part, caught.value.index, caught.value.is_missing) == (RecordPart.OTHER, None, True)


async def test_a_field_with_a_phone_in_it_is_not_repeated(client: ComagicClient, harness: ComagicHarness) -> None:
    fault = {"mnemonic": "invalid_parameter_value", "field": f"contacts[{ANNA}]"}
    harness.comagic.fail(Fault("create.deal_contacts", "error", params=fault))

    with pytest.raises(RecordRefused) as caught:
        await client.deals.create_contacts([contact("1")])

    assert caught.value.field is None
    assert ANNA not in str(caught.value)


@pytest.mark.parametrize("switch", ["component", "option"])
async def test_an_account_without_deals_is_denied_by_its_component(harness: ComagicHarness, switch: str) -> None:
    move(harness, **{switch: False})

    with pytest.raises(AccessDenied) as caught:
        await harness.client().deals.funnel("agbis")

    assert caught.value.barrier is Barrier.COMPONENT


async def test_contacts_are_made_read_and_updated_without_a_name(
    client: ComagicClient, harness: ComagicHarness
) -> None:
    no_phone = DealContact(client_id="2", phones=(), created_at=CREATED)
    await client.deals.create_contacts([no_phone])
    await client.deals.update_contact(contact("12345", ANNA, BORIS))

    assert await client.deals.contacts(["12345", "2", "3"]) == {"12345": contact("12345", ANNA, BORIS), "2": no_phone}
    assert {each.name for each in harness.comagic.deals.references.contacts.values()} == {"Клиент 12345", "Клиент 2"}
    with pytest.raises(AlreadyExists):
        await client.deals.create_contacts([contact(), contact("4")])
    with pytest.raises(NotFound):
        await client.deals.update_contact(contact("9"))


async def test_many_are_read_two_hundred_at_once(client: ComagicClient) -> None:
    await client.deals.create_contacts([contact(str(number)) for number in range(450)])

    assert len(await client.deals.contacts([str(number) for number in range(450)])) == 450
    assert client.requests["get.deal_contacts"] == 3


async def test_a_thousand_records_are_one_call_and_one_point(client: ComagicClient, harness: ComagicHarness) -> None:
    used = harness.comagic.points_used

    await client.deals.upload([(str(number), deal()) for number in range(1000)], ACCOUNT)

    assert harness.comagic.points_used == used + 1
    assert client.requests["upload.deals_history"] == 1


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("timeout_after", RemoteUnavailable),
        ("reset_before", RemoteUnavailable),
        ("http_503", RemoteUnavailable),
        ("not_json_after", RemoteProtocolError),
        ("limit_exceeded_day", QuotaSpent),
    ],
)
async def test_an_unknown_outcome_is_raised_and_can_be_sent_again(
    client: ComagicClient, harness: ComagicHarness, kind: str, error: type[Exception]
) -> None:
    harness.comagic.fail(Fault("upload.deals_history", kind))

    with pytest.raises(error):
        await client.deals.upload([("1", deal())], ACCOUNT)

    assert client.requests["upload.deals_history"] == 1
    if error is not QuotaSpent:
        await client.deals.upload([("1", deal())], ACCOUNT)
        assert len(harness.comagic.deals.deals) == 1


async def test_what_is_in_processing_is_not_known_yet(client: ComagicClient, harness: ComagicHarness) -> None:
    move(harness, processing_seconds=90)
    await client.deals.upload([("1", deal())], ACCOUNT)

    assert (await client.deals.in_processing(), await client.deals.known(["1"])) == (1, {})
    harness.clock.advance(timedelta(seconds=90))
    assert (await client.deals.in_processing(), len(await client.deals.known(["1"]))) == (0, 1)


async def test_a_deal_is_deleted(client: ComagicClient, harness: ComagicHarness) -> None:
    await client.deals.upload([("1", deal())], ACCOUNT)

    await client.deals.delete("1")

    assert harness.comagic.deals.deals == {}
    with pytest.raises(NotFound):
        await client.deals.delete("1")


async def test_an_answer_that_is_not_as_documented_is_an_error(client: ComagicClient, harness: ComagicHarness) -> None:
    await client.deals.upload([("1", deal())], ACCOUNT)
    many = {"pattern": '"count":0', "by": '"count":"many"'}
    harness.comagic.fail(Fault("get.deals_in_processing", "rewritten", params=many))
    harness.comagic.fail(
        Fault("get.deals_history", "rewritten", params={"pattern": '"2026-', "by": '"1026-'}),
    )

    with pytest.raises(RemoteProtocolError, match="not as documented"):
        await client.deals.in_processing()
    with pytest.raises(RemoteProtocolError, match="2000 to 2100"):
        await client.deals.known(["1"])


async def test_points_can_be_kept_for_deals(client: ComagicClient, harness: ComagicHarness) -> None:
    """Of the day's points only: a minute is over soon."""
    harness.comagic.day_limit = harness.comagic.points_used + 20
    await client.sites()

    client.keep_points(17)
    with pytest.raises(QuotaSpent):
        await client.sites()
    client.keep_points(0)
    await client.deals.upload([("1", deal())], ACCOUNT)
