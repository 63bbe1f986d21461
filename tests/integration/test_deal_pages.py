"""What people see of deals: the page and the CSV of a run, the row of an order, the check of the setup."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crm_bridge.stores.sqlite.sales import SqliteSalesStore
from tests.sandbox.comagic.account import SITE_WITHOUT_SALES_ID
from tests.sandbox.faults import Fault
from tests.support.factories import ANNA
from tests.support.sync_app import SyncApp, sync_app_on

pytestmark = pytest.mark.anyio

RUSSIAN_PAGE = {"Accept": "text/html", "Accept-Language": "ru"}


@pytest.fixture
async def bridge(tmp_path: Path) -> AsyncIterator[SyncApp]:
    store = SqliteSalesStore(str(tmp_path / "bridge.db"))
    async with sync_app_on(store, {"COMAGIC_DEALS": "on"}) as bridge:
        bridge.world.comagic._writer.sites.pop(SITE_WITHOUT_SALES_ID)
        yield bridge
    await store.close()


def order(bridge: SyncApp, paid: str) -> str:
    agbis = bridge.world.agbis
    made = agbis.add_order(agbis.add_client(ANNA))
    agbis.pay(made, paid)
    return made


async def explained(bridge: SyncApp) -> dict[str, Any]:
    answer = (await bridge.get(f"phone={ANNA}", path="/explain")).json()
    (row,) = answer["orders"]
    deal: dict[str, Any] = row["deal"]
    return deal


class TestExplain:
    async def test_a_deal_is_shown_as_it_was_sent_and_as_comagic_has_it(self, bridge: SyncApp) -> None:
        made = order(bridge, "10.50")
        await bridge.run()
        used = bridge.world.comagic.points_used

        shown = await explained(bridge)

        number = bridge.world.agbis.orders[made].number
        assert shown == {
            "number": number,
            "stage": "paid",
            "revenue": "10.50",
            "sent_at": "2026-06-15 12:00:00",
            "due": False,
            "refused": None,
            "status": "CoMagic shows it with this sum.",
            "comagic": {"name": f"Заказ {number}", "stage": "paid", "revenue": "10.50"},
        }
        assert bridge.world.comagic.points_used - used <= 3

    async def test_a_deal_that_is_due_is_said_to_be(self, bridge: SyncApp) -> None:
        order(bridge, "10")
        await bridge.run("update_db&dry_run")

        shown = await explained(bridge)

        assert (shown["due"], shown["status"], shown["stage"]) == (True, "the next run sends it.", None)

    async def test_a_refused_deal_has_comagics_reason(self, bridge: SyncApp) -> None:
        bridge.world.comagic.deals.refused.add(order(bridge, "10"))
        await bridge.run()

        shown = await explained(bridge)

        assert "invalid_parameter_value" in shown["refused"]
        assert shown["status"].startswith("CoMagic refuses it")
        page = (await bridge.get(f"phone={ANNA}", path="/explain", headers=RUSSIAN_PAGE)).text
        assert "Сделка аналитики: CoMagic её не принимает" in page

    async def test_a_deal_that_comagic_lost_or_changed_is_said_to_be(self, bridge: SyncApp) -> None:
        made = order(bridge, "10")
        await bridge.run()
        deal = bridge.world.comagic.deals.deals[made]
        deal.records[-1] = replace(deal.last, revenue_kopecks=1)

        assert (await explained(bridge))["status"].startswith("CoMagic shows it with another sum")
        del bridge.world.comagic.deals.deals[made]
        shown = await explained(bridge)
        assert (shown["status"][:24], shown["comagic"]) == ("CoMagic does not show it", None)

    async def test_what_was_sent_is_shown_when_comagic_is_away(self, bridge: SyncApp) -> None:
        order(bridge, "10")
        await bridge.run()
        bridge.world.comagic.fail(Fault("get.deals_history", "http_503", times=None))

        shown = await explained(bridge)

        assert shown["status"] == "CoMagic accepted it."
        assert "comagic" not in shown


async def test_the_page_of_a_run_has_its_deals_and_those_that_were_refused(bridge: SyncApp) -> None:
    bridge.world.comagic.deals.refused.add(order(bridge, "10"))
    order(bridge, "20.50")
    journal = await bridge.run()

    page = (await bridge.get(path=f"/runs/{journal['run_id']}", headers=RUSSIAN_PAGE)).text
    csv = (await bridge.get("format=csv", path=f"/runs/{journal['run_id']}", headers=RUSSIAN_PAGE)).text

    number = journal["deals"]["errors"][0]["number"]
    text = page.replace("\u00a0", " ").replace("\u202f", " ")
    assert "Сделки аналитики: отправлено: 1 на 20,50 ₽; без изменений: 0, отклонено: 1, отложено: 0" in text
    assert f"Заказ {number}: CoMagic отказал (invalid_parameter_value)" in page
    assert f"Заказ {number}" in csv.splitlines()[-1]


class TestSetup:
    async def ask(self, bridge: SyncApp) -> tuple[bool, str]:
        checks = (await bridge.get(path="/check_setup")).json()["checks"]
        assert checks[-1]["name"] == "deals"
        return checks[-1]["ok"], checks[-1]["hint"]

    async def test_the_funnel_is_made_by_the_first_run(self, bridge: SyncApp) -> None:
        used = bridge.world.comagic.points_used
        assert await self.ask(bridge) == (True, "The funnel agbis does not exist yet; the first run makes it.")
        assert bridge.world.comagic.points_used == used + 4
        order(bridge, "10")
        await bridge.run()
        assert await self.ask(bridge) == (True, "Deals go into the funnel agbis.")

    @pytest.mark.parametrize("switch", ["component", "option"])
    async def test_what_to_switch_on_is_named(self, bridge: SyncApp, switch: str) -> None:
        comagic = bridge.world.comagic
        positions: dict[str, Any] = {switch: False}
        comagic.deal_switches = replace(comagic.deal_switches, **positions)

        ok, hint = await self.ask(bridge)

        assert not ok
        assert "«Сквозная аналитика»" in hint
        assert "«Другая CRM»" in hint

    async def test_a_funnel_without_an_end_is_no_funnel_for_deals(self, bridge: SyncApp) -> None:
        order(bridge, "10")
        await bridge.run()
        del bridge.world.comagic.deals.references.funnels["agbis"].stages["issued"]

        ok, hint = await self.ask(bridge)

        assert not ok
        assert hint.startswith("The funnel agbis has no stage for success")

    async def test_it_is_skipped_when_comagic_does_not_admit_us(self, bridge: SyncApp) -> None:
        comagic = bridge.world.comagic
        comagic.switches = replace(comagic.switches, key="expired")

        assert await self.ask(bridge) == (False, "Not checked, because CoMagic key comes first.")

    async def test_without_the_setting_there_is_no_such_check(self, tmp_path: Path) -> None:
        store = SqliteSalesStore(str(tmp_path / "off.db"))
        async with sync_app_on(store) as bridge:
            checks = (await bridge.get(path="/check_setup")).json()["checks"]
            assert "deals" not in {check["name"] for check in checks}
        await store.close()
