"""Pages of real runs in a real browser: they work with and without JavaScript, on a phone, in the dark and on paper."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Literal

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import ATTACKED, PHONES, WRITTEN, Site

Opened = Callable[..., Page]

PATHS = {
    "journal": ("/runs/{run}", 200),
    "dry run": ("/?dry_run", 200),
    "runs": ("/runs", 200),
    "run going on": ("/runs/going", 200),
    "explain": (f"/explain?phone={ATTACKED}", 200),
    "explain, empty": ("/explain", 200),
    "setup": ("/check_setup", 503),
    "failure": ("/nothing", 404),
}

SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")

CONTRAST = """() => {
  const channel = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = parse(getComputedStyle(at).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color.slice(0, 3);
    }
    return [255, 255, 255];
  };
  const bad = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let seen = 0; walker.nextNode() && seen < 3000; seen++) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !element.checkVisibility()) continue;
    const style = getComputedStyle(element);
    const [a, b] = [light(parse(style.color)), light(behind(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && style.fontWeight >= 700);
    if (ratio < (large ? 3 : 4.5)) bad.add(`${element.tagName}.${element.className} ${ratio.toFixed(2)}`);
  }
  return Array.from(bad);
}"""


@pytest.fixture(params=PATHS)
def path(request: pytest.FixtureRequest, site: Site) -> tuple[str, int]:
    address, status = PATHS[request.param]
    return address.format(run=site.run_id), status


def shown(page: Page) -> int:
    return page.locator("table.journal tbody tr:not([hidden])").count()


def test_a_page_is_readable_by_everybody_on_every_screen(open_page: Opened, path: tuple[str, int]) -> None:
    """WCAG AA: contrasts in light and dark, names for what one fills in, nothing beyond the screen of a phone."""
    page = open_page(path[0], status=path[1])

    assert page.locator("h1").count() == 1
    assert page.locator("main").count() == 1
    assert page.evaluate("document.documentElement.lang") == "ru"
    assert page.evaluate("[...document.querySelectorAll('input, select')].filter(e => !e.labels.length).length") == 0
    assert page.evaluate("[...document.querySelectorAll('svg')].filter(e => !e.ariaLabel && !e.ariaHidden).length") == 0
    assert page.evaluate("[...document.querySelectorAll('th')].filter(e => !e.scope).length") == 0
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate(CONTRAST) == [], scheme
    for width in (1200, 980, 900, 768, 360, 320):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_journal_is_filtered_and_sorted_in_the_page(open_page: Opened) -> None:
    page = open_page("/?dry_run", language="en-US")
    everybody = shown(page)
    assert everybody > PHONES * 0.9
    row = page.locator("table.journal tbody tr:not([hidden])")
    status = page.locator(".shown")

    page.locator("select[name=result]").select_option("would_be_not_found")
    expect(status).not_to_contain_text(f"Rows shown: {everybody} of")
    missing = shown(page)
    assert 0 < missing < everybody
    assert set(row.locator(".state").all_inner_texts()) == {"not found"}

    page.locator("select[name=result]").select_option("")
    page.get_by_role("button", name="Sum").click()
    expect(status).to_contain_text(f"Rows shown: {everybody} of {everybody}")
    sums = "[...document.querySelectorAll('tbody b')].slice(0, 50).map(b => +b.innerText.replace(/\\D/g, ''))"
    # Both choices are carried out a moment later, so all rows may be shown before they are sorted.
    page.wait_for_function(
        f"() => {{ const s = {sums}; return s[0] > s.at(-1) && s.every((x, i) => !i || s[i-1] >= x) }}"
    )

    for typed in ("SCRIPT>ALERT", ATTACKED[3:], "8 (905) 123-45-67"):  # services in any case, a part of a phone
        page.get_by_label("services or number").fill(typed)
        expect(status).to_contain_text("Rows shown: 1 of")
        assert WRITTEN in row.inner_text()


def test_without_javascript_a_stored_journal_is_filtered_by_the_server(open_page: Opened, site: Site) -> None:
    page = open_page(f"/runs/{site.run_id}", script=False, language="en-US")

    page.get_by_label("services or number").fill(ATTACKED)
    page.get_by_role("button", name="Show").click()

    expect(page.locator("table.journal tbody tr:not([hidden])")).to_have_count(1)
    assert page.get_by_label("services or number").input_value() == ATTACKED


def test_a_journal_filtered_by_the_server_is_filtered_there_again(open_page: Opened, site: Site) -> None:
    page = open_page(f"/runs/{site.run_id}?q={ATTACKED}", language="en-US")

    page.get_by_label("services or number").fill("")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**q=&**")

    assert shown(page) == 1000
    page.get_by_role("link", name="Next").click()
    page.wait_for_url("**page=2**")
    assert shown(page) == 1000


def test_without_javascript_a_dry_run_shows_every_row(open_page: Opened) -> None:
    page = open_page("/?dry_run", script=False)

    assert shown(page) > PHONES * 0.9
    assert page.locator("form.filter").is_hidden()
    assert page.locator("del").first.is_visible(), "old -> new"


@pytest.mark.parametrize("address", ["/runs/{run}", "/?dry_run", f"/explain?phone={ATTACKED}"])
def test_a_script_in_a_service_name_is_text_on_the_page(open_page: Opened, site: Site, address: str) -> None:
    page = open_page(address.format(run=site.run_id))

    assert "<script>alert('1')</script>" in page.locator("main").inner_text()
    assert page.locator("img").count() == 0
    assert page.locator("script").count() == 1


def test_a_run_going_on_shows_its_bar(open_page: Opened) -> None:
    page = open_page("/runs/going", language="en-US")

    bar: Any = page.locator("progress")
    assert (bar.get_attribute("value"), bar.get_attribute("max")) == ("1200", "3861")
    assert bar.is_visible()
    assert "changing sales: 1200 of 3861" in page.locator("main").inner_text()


def test_on_paper_there_is_the_table_and_nothing_to_click(open_page: Opened, site: Site) -> None:
    page = open_page(f"/runs/{site.run_id}")
    page.emulate_media(color_scheme="dark")
    page.emulate_media(media="print")

    assert page.locator("nav:visible").count() == 0
    assert page.locator("form.filter").is_hidden()
    assert page.locator("table.journal").is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_sixty_rows_are_at_most_six_pages_of_paper(open_page: Opened, site: Site) -> None:
    page = open_page(f"/runs/{site.run_id}")
    page.evaluate("[...document.querySelectorAll('tbody tr')].slice(60).forEach((row) => row.remove())")

    for paper in ("A4", "Letter"):
        for margin in ("0", "2.5cm"):
            pdf = page.pdf(format=paper, margin={"top": margin, "right": margin, "bottom": margin, "left": margin})
            assert 1 <= len(re.findall(rb"/Type\s*/Page\b", pdf)) <= 6, (paper, margin)


def test_a_search_stands_in_the_address_and_the_csv_follows_it(open_page: Opened, site: Site) -> None:
    page = open_page(f"/runs/{site.short_run_id}", language="en-US")
    assert shown(page) == 1

    page.get_by_label("services or number").fill("nobody")

    expect(page.locator(".nothing")).to_be_visible()
    page.wait_for_url("**q=nobody**")
    assert "q=nobody" in (page.get_by_role("link", name="CSV").get_attribute("href") or "")
    page.reload()
    assert shown(page) == 0
    assert page.get_by_label("services or number").input_value() == "nobody"


def test_links_lead_from_a_journal_to_a_client_and_on_to_another(open_page: Opened, site: Site) -> None:
    page = open_page(f"/runs/{site.run_id}", language="en-US")

    page.get_by_role("link", name=WRITTEN).click()
    page.wait_for_url("**/explain**")
    assert WRITTEN in page.locator("main").inner_text()
    page.get_by_role("link", name="Runs").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Runs")
    page.get_by_role("link", name="A client").click()
    page.get_by_label("Phone").fill("8 (905) 123-45-67")
    page.get_by_role("button", name="Check").click()
    expect(page.locator("main")).to_contain_text(WRITTEN)
