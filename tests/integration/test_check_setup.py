"""/check_setup: each check fails by itself, with a hint that says what to click or paste."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from crm_bridge.stores.sqlite.sales import SqliteSalesStore
from tests.sandbox.clock import ManualClock
from tests.sandbox.comagic.account import SITE_WITHOUT_SALES_ID
from tests.sandbox.comagic.validation import CUSTOMER_ID
from tests.sandbox.faults import Fault
from tests.sandbox.world import World
from tests.support.database_dump import dump
from tests.support.factories import NOON
from tests.support.stories import call, order
from tests.support.sync_app import SETTINGS, SyncApp, sync_app_on

pytestmark = pytest.mark.anyio

NAMES = [
    "database", "crm_login", "crm_orders", "comagic_token", "ip_whitelist", "comagic_rights", "sale_tag", "sites",
    "time_zone", "quota",
]  # fmt: skip


@pytest.fixture
def sound(bridge: SyncApp) -> SyncApp:
    """A bridge where all is set up right."""
    bridge.world.comagic._writer.sites.pop(SITE_WITHOUT_SALES_ID)
    return bridge


async def ask(bridge: SyncApp) -> tuple[int, dict[str, dict[str, Any]]]:
    answer = await bridge.get(path="/check_setup")
    body = answer.json()
    assert body["ok"] is (answer.status_code == 200)
    return answer.status_code, {check["name"]: check for check in body["checks"]}


async def failing(bridge: SyncApp) -> dict[str, str]:
    """The checks that do not hold, with their hints; the answer must be a 503."""
    status, checks = await ask(bridge)
    assert status == 503
    return {name: check["hint"] for name, check in checks.items() if not check["ok"]}


def switch(bridge: SyncApp, **positions: Any) -> None:
    bridge.world.comagic.switches = replace(bridge.world.comagic.switches, **positions)


async def test_when_all_is_set_up_right_every_check_holds(sound: SyncApp) -> None:
    status, checks = await ask(sound)

    assert status == 200
    assert list(checks) == NAMES
    assert all(check["ok"] for check in checks.values())
    assert checks["database"]["hint"] == "The CRM has not been read yet: call /?update_db once."


async def test_it_costs_three_points_and_changes_neither_comagic_nor_the_database(sound: SyncApp) -> None:
    await sound.run()
    before, points = await dump(sound.store), sound.world.comagic.points_used

    await ask(sound)

    assert sound.world.comagic.points_used - points == 3
    assert sound.world.comagic.history == []
    assert await dump(sound.store) == before


async def test_it_works_during_a_run(sound: SyncApp) -> None:
    from crm_bridge.domain.run import LEASE_TTL, Lease

    now = sound.clock.now()
    await sound.store.take_lease(Lease(run_id="going", started_at=now, until=now + LEASE_TTL), now=now)

    assert (await ask(sound))[0] == 200


class TestCrmLogin:
    async def test_a_wrong_password_names_the_settings_and_is_tried_once(self, sound: SyncApp) -> None:
        sound.world.agbis.fail(Fault(method="Login", kind="error", params={"code": 2}, times=None))

        hint = (await failing(sound))["crm_login"]

        assert "AGBIS_USER and AGBIS_PASSWORD" in hint
        assert sound.world.agbis.count("Login") == 1

    async def test_a_wrong_address_fails_the_login(self, tmp_path: Path) -> None:
        store = SqliteSalesStore(str(tmp_path / "bridge.db"))
        async with sync_app_on(store, {"AGBIS_URL": "http://agbis.test/cl/nobody/api/"}) as bridge:
            assert "crm_login" in await failing(bridge)
        await store.close()

    async def test_missing_settings_are_named(self, tmp_path: Path) -> None:
        store = SqliteSalesStore(str(tmp_path / "bridge.db"))
        async with sync_app_on(store, {"AGBIS_URL": "", "AGBIS_PASSWORD": ""}) as bridge:
            assert (await failing(bridge))["crm_login"] == "Set AGBIS_URL, AGBIS_PASSWORD."
        await store.close()

    async def test_the_stored_session_is_used(self, sound: SyncApp) -> None:
        await sound.run()
        for _ in range(3):
            assert (await ask(sound))[0] == 200

        assert (sound.world.agbis.count("Login"), sound.world.agbis.count("ValidSessionID")) == (1, 3)

    async def test_a_lost_session_fails_the_check_when_a_login_is_not_allowed_yet(self, sound: SyncApp) -> None:
        await sound.get("update_db")
        sound.world.agbis.sessions.forget()
        started = sound.clock.now()

        hint = (await failing(sound))["crm_login"]

        assert "the next login is allowed in 120 s" in hint
        assert sound.world.agbis.count("Login") == 1
        assert sound.clock.now() - started < timedelta(seconds=30), "somebody is waiting for the page"

    async def test_a_session_started_here_is_kept_for_the_next_run(self, sound: SyncApp) -> None:
        await ask(sound)
        started = sound.clock.now()

        assert (await sound.get("update_db")).status_code == 200
        assert sound.world.agbis.count("Login") == 1
        assert sound.clock.now() - started < timedelta(minutes=1)

    async def test_a_login_that_fails_for_the_moment_is_not_tried_twice(self, sound: SyncApp) -> None:
        sound.world.agbis.fail(Fault(method="Login", kind="http_503", times=None))

        assert "Try again a little later" in (await failing(sound))["crm_login"]
        assert sound.world.agbis.count("Login") == 1

    async def test_a_dry_cleaners_database_that_is_down_fails_the_login_only(self, sound: SyncApp) -> None:
        sound.world.agbis.switches = replace(sound.world.agbis.switches, database_down=True)

        assert list(await failing(sound)) == ["crm_login"]


class TestComagic:
    @pytest.mark.parametrize("key", ["expired", "blocked"])
    async def test_an_expired_or_blocked_key_names_the_setting_and_skips_the_rest(
        self, sound: SyncApp, key: str
    ) -> None:
        switch(sound, key=key)

        hints = await failing(sound)

        assert "COMAGIC_TOKEN" in hints["comagic_token"]
        assert hints["ip_whitelist"] == "Not checked, because CoMagic key comes first."
        assert {"database", "crm_login"}.isdisjoint(hints)

    async def test_a_wrong_key_names_the_setting(self, tmp_path: Path) -> None:
        store = SqliteSalesStore(str(tmp_path / "bridge.db"))
        async with sync_app_on(store, {"COMAGIC_TOKEN": "another"}) as bridge:
            assert "COMAGIC_TOKEN" in (await failing(bridge))["comagic_token"]
        await store.close()

    async def test_a_missing_key_names_the_setting(self, tmp_path: Path) -> None:
        store = SqliteSalesStore(str(tmp_path / "bridge.db"))
        async with sync_app_on(store, {"COMAGIC_TOKEN": ""}) as bridge:
            assert (await failing(bridge))["comagic_token"] == "Set COMAGIC_TOKEN."
        await store.close()

    async def test_a_blocked_account_is_one_for_the_support(self, sound: SyncApp) -> None:
        switch(sound, account_active=False)

        assert "support" in (await failing(sound))["comagic_token"]

    async def test_an_address_that_is_not_admitted_is_named(self, sound: SyncApp) -> None:
        refused = {"mnemonic": "ip_not_whitelisted", "ip": "203.0.113.7"}
        sound.world.comagic.fail(Fault(method="*", kind="error", params=refused, times=None))

        hints = await failing(sound)

        assert hints["ip_whitelist"].startswith("Add 203.0.113.7 to the allowed addresses")
        assert "comagic_token" not in hints, "CoMagic looks at the key first"

    async def test_an_address_that_comagic_does_not_name_is_a_question_mark(self, sound: SyncApp) -> None:
        refused = {"mnemonic": "ip_not_whitelisted", "ip": "unknown"}
        sound.world.comagic.fail(Fault(method="*", kind="error", params=refused, times=None))

        assert (await failing(sound))["ip_whitelist"].startswith("Add ? to the allowed addresses")

    @pytest.mark.parametrize("mnemonic", ["unexpected_parameters", "data_limit_exceeded"])
    async def test_any_other_refusal_of_the_first_call_names_the_address_setting(
        self, sound: SyncApp, mnemonic: str
    ) -> None:
        sound.world.comagic.fail(Fault(method="get.account", kind="error", params={"mnemonic": mnemonic}, times=None))

        assert "COMAGIC_URL" in (await failing(sound))["comagic_token"]

    @pytest.mark.parametrize("rights", ["select", "none"])
    async def test_a_key_without_the_right_to_change_tags_names_the_right(self, sound: SyncApp, rights: str) -> None:
        switch(sound, tag_rights=rights)

        hints = await failing(sound)

        assert "tag_management" in hints["comagic_rights"]
        assert ("sale_tag" in hints) is (rights == "none")

    async def test_an_account_without_the_sale_tag_names_the_setting(self, sound: SyncApp) -> None:
        sound.world.comagic.fail(Fault(method="get.tags", kind="empty_success", times=None))

        hints = await failing(sound)

        assert list(hints) == ["sale_tag"]
        assert "COMAGIC_SALE_TAG_ID" in hints["sale_tag"]

    async def test_a_site_with_sales_switched_off_is_named(self, bridge: SyncApp) -> None:
        hints = await failing(bridge)

        assert list(hints) == ["sites"]
        assert "example.org" in hints["sites"]
        assert "example.ru" not in hints["sites"]

    async def test_an_account_without_sites_fails_the_check_of_sites(self, sound: SyncApp) -> None:
        sound.world.comagic._writer.sites.clear()

        assert list(await failing(sound)) == ["sites"]

    @pytest.mark.parametrize(("zone", "holds"), [("Asia/Yekaterinburg", False), ("Europe/Minsk", True)])
    async def test_an_account_in_another_time_zone_names_the_setting(
        self, tmp_path: Path, zone: str, holds: bool
    ) -> None:
        world = World(ManualClock(NOON), zone=zone)
        world.comagic._writer.sites.pop(SITE_WITHOUT_SALES_ID)
        store = SqliteSalesStore(str(tmp_path / "bridge.db"))
        async with sync_app_on(store, world=world) as bridge:
            status, checks = await ask(bridge)
        await store.close()

        assert (status == 200) is holds
        assert holds or f"TIME_ZONE={zone}" in checks["time_zone"]["hint"]

    async def test_few_points_left_fail_the_check_of_the_quota(self, sound: SyncApp) -> None:
        sound.world.comagic.day_limit = 15

        hints = await failing(sound)

        assert list(hints) == ["quota"]
        assert hints["quota"].startswith("12 points of the day are left")

    async def test_no_points_left_say_nothing_about_the_key(self, sound: SyncApp) -> None:
        sound.world.comagic.fail(Fault(method="*", kind="limit_exceeded_day", times=None))

        hints = await failing(sound)

        assert hints["quota"].startswith("0 points of the day are left")
        assert "comagic_token" not in hints

    @pytest.mark.parametrize("kind", ["http_503", "connect_error", "timeout_before"])
    async def test_an_unreachable_comagic_is_no_fault_of_the_key(self, sound: SyncApp, kind: str) -> None:
        sound.world.comagic.fail(Fault(method="*", kind=kind, times=None))

        assert "CoMagic cannot be asked now" in (await failing(sound))["comagic_token"]

    async def test_an_answer_that_is_not_comagics_names_the_setting(self, sound: SyncApp) -> None:
        sound.world.comagic.fail(Fault(method="*", kind="not_json", times=None))

        assert "COMAGIC_URL" in (await failing(sound))["comagic_token"]


class TestRefusals:
    """A refusal of one method says what is missing, and the other checks go on."""

    async def test_a_key_that_may_not_list_sites_names_the_right(self, sound: SyncApp) -> None:
        switch(sound, key_rights="tags_only")

        hints = await failing(sound)

        assert list(hints) == ["sites"]
        assert "forbidden" in hints["sites"]
        assert "Give it the right site_selected: select" in hints["sites"]

    async def test_an_account_without_the_component_names_it(self, sound: SyncApp) -> None:
        switch(sound, components="telephony")

        hints = await failing(sound)

        assert list(hints) == ["sites"]
        assert "needs one of call_tracking, consultant, lead, sitephone" in hints["sites"]

    @pytest.mark.parametrize("mnemonic", ["forbidden", "method_component_disabled"])
    async def test_a_refused_get_account_is_told_as_that_and_no_more(self, sound: SyncApp, mnemonic: str) -> None:
        fault = Fault(method="get.account", kind="error", params={"mnemonic": mnemonic}, times=None)
        sound.world.comagic.fail(fault)

        hints = await failing(sound)

        assert list(hints) == ["time_zone"]
        assert f"CoMagic refuses get.account: CoMagic: {mnemonic}" in hints["time_zone"]


class TestAnAgency:
    """Its key acts for a client, whom `user_id` names with every method but get.account."""

    @pytest.fixture
    async def agency(self, tmp_path: Path) -> AsyncIterator[SyncApp]:
        store = SqliteSalesStore(str(tmp_path / "bridge.db"))
        async with sync_app_on(store, {"COMAGIC_USER_ID": str(CUSTOMER_ID)}) as bridge:
            bridge.world.comagic._writer.sites.pop(SITE_WITHOUT_SALES_ID)
            switch(bridge, key_of="agency")
            yield bridge
        await store.close()

    async def test_every_check_holds(self, agency: SyncApp) -> None:
        assert (await ask(agency))[0] == 200
        accounts = [record for record in agency.world.comagic.requests if record.method == "get.account"]
        assert [record.params for record in accounts] == [{}]

    async def test_a_run_sets_the_clients_sales(self, agency: SyncApp) -> None:
        call(agency)
        order(agency, "700")

        assert (await agency.run())["tags_applied"] == 1

    async def test_the_list_of_addresses_is_the_clients(self, agency: SyncApp) -> None:
        switch(agency, ip_blocked=True)

        assert "of the client's account, not of the agency's" in (await failing(agency))["ip_whitelist"]


async def test_a_database_that_cannot_be_read_names_the_setting(
    sound: SyncApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any) -> None:
        raise OSError("disk I/O error")

    monkeypatch.setattr(sound.store, "state", broken)

    hints = await failing(sound)

    assert "STORE_URL" in hints["database"]


async def test_a_database_that_cannot_be_used_is_named_with_its_cause(sound: SyncApp, tmp_path: Path) -> None:
    sound.store = SqliteSalesStore(str(tmp_path))

    hints = await failing(sound)
    page = await sound.get(path="/check_setup", headers={"Accept": "text/html", "Accept-Language": "ru"})

    failed = f"STORE_URL: the database {tmp_path} cannot be used: it is a folder, not a file"
    assert hints["database"].startswith(f"{failed}. Check the file")
    assert hints["crm_login"] == f"It could not be checked: {failed}"
    assert f"STORE_URL: база {tmp_path} недоступна: это папка, а не файл. Проверьте файл" in page.text


async def test_settings_that_cannot_be_read_are_the_only_row(tmp_path: Path) -> None:
    store = SqliteSalesStore(str(tmp_path / "bridge.db"))
    async with sync_app_on(store, {"TIME_ZONE": "Mars/Olympus"}) as bridge:
        hints = await failing(bridge)
    await store.close()

    assert list(hints) == ["settings"]
    assert "TIME_ZONE" in hints["settings"]


async def test_no_secret_is_in_the_answer_or_the_log(sound: SyncApp, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="crm_bridge")
    sound.world.agbis.fail(Fault(method="Login", kind="error", params={"code": 2}, times=None))
    switch(sound, key="blocked")

    answer = json.dumps((await ask(sound))[1])

    for secret in (SETTINGS["AGBIS_PASSWORD"], SETTINGS["AGBIS_URL"]):
        assert secret not in answer.replace("AGBIS_PASSWORD", "")
        assert secret not in caplog.text
