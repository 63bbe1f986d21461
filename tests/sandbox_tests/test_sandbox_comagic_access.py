"""Who may ask CoMagic what, and how it refuses: components, rights, wording, both editions of the documents."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.sandbox.comagic.errors import ERRORS, RUSSIAN_EDITION, ApiError
from tests.sandbox.comagic.params import SPECS
from tests.sandbox.comagic.simulator import CoMagic, CoMagicSwitches
from tests.sandbox_tests.callers import JUNE, CoMagicCaller, envelope, sale

pytestmark = pytest.mark.anyio


def least(method: str) -> dict[str, Any]:
    """Return parameters of the right names and types, enough to come past their check."""
    samples = {"int": 1, "number": 1, "str": "x", "bool": True, "list": [], "dict": {}}
    params = {name: samples[SPECS[method].types[name]] for name in SPECS[method].required}
    return params | (JUNE if "date_from" in params else {})


def needing(what: str) -> Iterator[str]:
    return (method for method, spec in SPECS.items() if getattr(spec, what))


@pytest.mark.parametrize("method", SPECS)
async def test_every_method_has_an_answer(api: CoMagicCaller, method: str) -> None:
    answer = await api.answer(method, **least(method))

    assert "result" in answer or answer["error"]["data"]["mnemonic"] in ERRORS
    assert answer.get("error", {}).get("data", {}).get("mnemonic") not in ("method_not_found", "internal_error")


@pytest.mark.parametrize("method", [*needing("components")])
async def test_a_method_whose_components_are_off_names_them(api: CoMagicCaller, comagic: CoMagic, method: str) -> None:
    needed = list(SPECS[method].components)
    comagic.switches = CoMagicSwitches(components="telephony")
    answer = await api.answer(method, **least(method))
    if "va" in needed:
        assert answer.get("error", {}).get("data", {}).get("mnemonic") != "method_component_disabled"
        return
    error = answer["error"]

    assert (error["code"], error["data"]["mnemonic"]) == (-32008, "method_component_disabled")
    assert error["data"]["params"] == {"components": needed}
    assert error["message"] == (
        f"You need at least one of the following components to access this method: {', '.join(needed)}"
    )


async def test_one_of_the_components_is_enough(api: CoMagicCaller, comagic: CoMagic) -> None:
    comagic.switches = CoMagicSwitches(components="call_tracking")

    await api.result("get.sites")
    await api.result("get.chats_report", **JUNE)
    assert await api.mnemonic("get.offline_messages_report", **JUNE) == "method_component_disabled"


async def test_calls_and_the_account_need_no_component(api: CoMagicCaller, comagic: CoMagic) -> None:
    comagic.switches = CoMagicSwitches(components="telephony", consultant=False, key_rights="tags_only")

    await api.result("get.account")
    await api.result("get.calls_report", **JUNE)


@pytest.mark.parametrize("method", [*needing("rights")])
async def test_a_key_made_for_tags_alone_may_do_nothing_else_that_needs_a_right(
    api: CoMagicCaller, comagic: CoMagic, method: str
) -> None:
    comagic.switches = CoMagicSwitches(key_rights="tags_only")
    answer = await api.answer(method, **least(method))
    of_tags = any(right.startswith("tag_management") for right in SPECS[method].rights)
    refused = answer.get("error", {}).get("code") == -32003

    assert refused is not of_tags
    if refused:
        assert (answer["error"]["data"]["mnemonic"], answer["error"]["message"]) == ("forbidden", "Permission denied")


@pytest.mark.parametrize(("rights", "allowed"), [("update", 3), ("select", 1), ("none", 0)])
async def test_rights_on_tags_have_verbs(api: CoMagicCaller, comagic: CoMagic, rights: str, allowed: int) -> None:
    comagic.switches = CoMagicSwitches(tag_rights=rights)
    asked = [
        ("get.tags", {}),
        ("set.tag_sales", sale(1)),
        ("unset.tag_communications", least("set.tag_communications")),
    ]
    seen = [await api.answer(method, **params) for method, params in asked]

    assert sum(answer.get("error", {}).get("message") != "Permission denied" for answer in seen) == allowed


async def test_a_component_is_looked_at_before_the_rights(api: CoMagicCaller, comagic: CoMagic) -> None:
    comagic.switches = CoMagicSwitches(components="telephony", key_rights="tags_only")

    assert await api.mnemonic("get.sites") == "method_component_disabled"


# get.account


@pytest.mark.parametrize("params", [{"user_id": 5}, {"limit": 1}, {"fields": ["name"]}])
async def test_the_account_takes_the_token_and_nothing_else(api: CoMagicCaller, params: dict[str, Any]) -> None:
    error = await api.error("get.account", **params)

    assert (error["data"]["mnemonic"], error["data"]["field"]) == ("unexpected_parameters", *params)


@pytest.mark.parametrize(("position", "key"), [("metadata", "metadata"), ("meta_data", "meta_data")])
async def test_two_pages_spell_metadata_in_another_way(
    api: CoMagicCaller, comagic: CoMagic, position: str, key: str
) -> None:
    comagic.switches = CoMagicSwitches(meta_key=position)

    assert (await api.result("get.account")).keys() == (await api.result("get.sites")).keys() == {"data", key}
    assert (await api.result("get.tags")).keys() == {"data", "metadata"}


# Sessions


async def test_a_session_that_was_ended_reads_nothing_and_cannot_be_ended_again(
    api: CoMagicCaller, comagic: CoMagic
) -> None:
    params = {"login": "robot@example.ru", "password": "secret"}
    answer = (await api.send({"jsonrpc": "2.0", "id": 1, "method": "login.user", "params": params})).json()
    token = answer["result"]["data"]["access_token"]
    await api.result("get.calls_report", **JUNE, access_token=token)
    points = comagic.points_used

    assert await api.result("logout.user", access_token=token) == {"data": {}}
    assert await api.mnemonic("get.calls_report", **JUNE, access_token=token) == "access_token_invalid"
    assert await api.mnemonic("logout.user", access_token=token) == "access_token_invalid"
    assert comagic.points_used == points
    assert [(record.method, record.outcome) for record in comagic.requests][-3:] == [
        ("logout.user", "ok"),
        ("get.calls_report", "error access_token_invalid"),
        ("logout.user", "error access_token_invalid"),
    ]


async def test_the_key_outlives_a_logout(api: CoMagicCaller) -> None:
    await api.result("logout.user")

    await api.result("get.account")


# Wording


@pytest.mark.parametrize("mnemonic", ERRORS)
async def test_every_error_can_be_had_in_both_editions(api: CoMagicCaller, comagic: CoMagic, mnemonic: str) -> None:
    english = ApiError(mnemonic).body(None)
    russian = ApiError(mnemonic).body(None, "russian")
    spelled, message = RUSSIAN_EDITION.get(mnemonic, (mnemonic, ERRORS[mnemonic][1]))

    assert (english["data"]["mnemonic"], english["message"]) == (mnemonic, ERRORS[mnemonic][1])
    assert (russian["data"]["mnemonic"], russian["message"]) == (spelled, message)
    assert english["code"] == russian["code"]
    assert english["message"] != mnemonic


async def test_the_russian_edition_misspells_what_it_does_to_a_batch(api: CoMagicCaller, comagic: CoMagic) -> None:
    batch = [envelope("get.account")]
    english = (await api.send(batch)).json()["error"]
    comagic.switches = CoMagicSwitches(edition="russian")
    russian = (await api.send(batch)).json()["error"]

    assert english["data"]["mnemonic"] == "batch_operations_not_supported"
    assert russian["data"]["mnemonic"] == "batch_opreations_not_supported"
    assert english["code"] == russian["code"] == -32099


@pytest.mark.parametrize(
    ("params", "value"),
    [
        ({"limit": 0}, "0"),
        ({"limit": "10"}, "10"),
        ({"limit": True}, "true"),
        ({"limit": 1.5}, "1.5"),
        ({"filter": []}, "[]"),
        ({"fields": ["нет"]}, "нет"),
        ({"sort": [{"field": "id", "order": "up"}]}, "id"),
        ({"surplus": {"a": ["ж", 1]}}, '{"a": ["ж", 1]}'),
        ({"filter": {"field": "id", "operator": "in", "value": []}}, "[]"),
    ],
)
async def test_the_value_of_an_error_is_a_string(api: CoMagicCaller, params: dict[str, Any], value: str) -> None:
    """A client in Go decodes it as one."""
    error = await api.error("get.calls_report", **JUNE | params)

    assert error["data"]["value"] == value


async def test_an_error_without_a_value_has_none(api: CoMagicCaller) -> None:
    error = await api.error("get.calls_report")

    assert (error["data"]["mnemonic"], error["data"]["value"]) == ("required_parameter_missed", None)
    assert json.dumps(error)
