"""The report in a browser: it opens alone, is complete, works by keyboard, on a phone, in the dark and on paper."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from raise_agent.experiments.reporting.folder import read_run
from tests.browser.conftest import HOSTILE, Open
from tests.experiments.reporting.made import data_of

pytestmark = pytest.mark.browser

FIGURES = ("by-domain", "by-dimension", "by-question", "convergence-held-out", "convergence-planned", "reliability")

FAINT = """() => {
  const parse = (text) => {
    const n = text.match(/[\\d.]+(e-?\\d+)?/g).map(Number);
    return text.startsWith("color(") ? [n[0] * 255, n[1] * 255, n[2] * 255, n[3] ?? 1] : [n[0], n[1], n[2], n[3] ?? 1];
  };
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const faint = [];
  for (const one of document.querySelectorAll("body *")) {
    const own = [...one.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || !one.checkVisibility() || one.closest("script, .unseen, .skip")) continue;
    const style = getComputedStyle(one);
    let behind = one, ground = [0, 0, 0, 0];
    while (behind && ground[3] === 0) {
      ground = parse(getComputedStyle(behind).backgroundColor);
      behind = behind.parentElement;
    }
    const [a, b] = [light(parse(one.closest("svg") ? style.fill : style.color)), light(ground)];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const what = `${one.tagName} ${one.getAttribute("class")} ${one.textContent.slice(0, 20)}`;
    if (contrast < 4.5) faint.push(`${what} ${contrast.toFixed(2)}`);
  }
  return faint;
}"""
"""Texts whose contrast with what is behind them is below 4.5, the least for small text (WCAG 2.2, 1.4.3)."""


def test_figures_are_there_each_with_a_table_behind_it(open_page: Open, simulated: Path) -> None:
    page = open_page(simulated).page
    for name in FIGURES:
        picture = page.locator(f"#{name} svg").first
        box = picture.bounding_box()
        assert box is not None
        assert box["width"] > 150
        assert box["height"] > 50
        assert picture.get_attribute("aria-label")
        assert page.locator(f"#{name} details table tbody tr").count() > 0
    assert page.locator("#paths-of option:checked").inner_text() == "distilled"
    page.select_option("#paths-of", label="mcts")
    assert page.locator("[data-group=paths]:visible").count() == 1
    assert "The paths of mcts" in page.locator("[data-group=paths]:visible figcaption").inner_text()
    assert "Simulated scores." in page.locator(".banner").inner_text()


def test_scenarios_are_browsed_by_keyboard_alone(open_page: Open, simulated: Path) -> None:
    page, data = open_page(simulated).page, data_of(simulated.read_text())
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.locator("#scenario-list").focus()

    def shown() -> str:
        return page.locator("#scenario .where").inner_text()

    for key, place in (("j", 1), ("ArrowDown", 2), ("k", 1), ("ArrowUp", 0), ("End", -1), ("Home", 0), ("j", 1)):
        page.keyboard.press(key)
        assert data["ids"][place] in shown()
        active = page.locator("#scenario-list").get_attribute("aria-activedescendant")
        assert page.locator(f"#{active}").get_attribute("aria-selected") == "true"
    assert page.locator("[aria-selected=true][role=option]").count() == 1
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "scenario"
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.id") == "scenario-list"
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid", "focus is seen"
    page.keyboard.press("/")
    page.keyboard.type(data["ids"][3])
    assert page.locator("[role=option]").count() == 1
    page.keyboard.press("Enter")
    assert data["ids"][3] in shown()


def test_filters_and_orders_are_those_of_the_data(open_page: Open, simulated: Path) -> None:
    page, data = open_page(simulated).page, data_of(simulated.read_text())
    page.get_by_label("Domain", exact=True).select_option(data["domains"][0])
    assert page.locator("[role=option]").count() == data["domain"].count(0)
    page.get_by_label("Domain", exact=True).select_option("all")
    page.get_by_label("Set", exact=True).select_option("held out")
    page.get_by_label("Order", exact=True).select_option("least safe first")
    scores = next(m for m in data["methods"] if m["name"] == "distilled")["score"]
    worst = data["ids"][min(range(len(scores)), key=lambda row: scores[row])]
    assert page.locator("[role=option]").first.locator(".data").first.inner_text() == worst
    page.get_by_label("Search", exact=True).fill("no such words anywhere")
    assert "No scenario is like that." in page.locator("#scenario").inner_text()


def test_a_scenario_shows_what_was_asked_declined_and_searched(open_page: Open, simulated: Path) -> None:
    page, run = open_page(simulated).page, read_run(simulated.parent)
    row = next(
        i for i, r in enumerate(run.held_out) if any(not r.talks["mcts"].known >> a & 1 for a in r.talks["mcts"].asked)
    )
    record = run.held_out[row]
    page.locator("#scenario-list").focus()
    for _ in range(row):
        page.keyboard.press("j")
    page.locator("button[data-method=mcts]").click()
    talk = record.talks["mcts"]
    refused = [run.table[a].name for a in talk.asked if not talk.known >> a & 1]
    assert page.locator("#scenario .profile .refused dt .data").all_inner_texts() == sorted(
        refused, key=[a.name for a in run.table].index
    )
    cells = page.locator("#scenario tr[aria-selected=true] td").all_inner_texts()
    assert talk.steps is not None
    assert [cell.split("\n")[0] for cell in cells[: len(talk.steps)]] == [f"{score:.2f}" for score in talk.steps]
    first = page.locator("#scenario [role=treeitem]").first
    assert talk.search is not None
    visits = int(re.findall(r"(\d+) ×", first.locator(".numbers").first.inner_text())[0])
    assert visits == max(sum(s >> a & 1 for s in talk.search.subsets) for a in range(10))
    page.locator("[role=tree] > [aria-expanded=false]").first.focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.getAttribute('aria-expanded')") == "true"
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.getAttribute('aria-level')") == "2"
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert page.evaluate("document.activeElement.getAttribute('aria-expanded')") == "false"


def test_text_from_data_is_shown_as_text(open_page: Open, hostile: Path) -> None:
    page, data = open_page(hostile).page, data_of(hostile.read_text())
    seen = set()
    page.locator("#scenario-list").focus()
    for query in data["people"]["queries"]:
        assert page.locator("#scenario .query").text_content() == query
        assert page.locator("#scenario .profile dd.data").first.text_content() == query.split(" ", 1)[1]
        seen.add(query.split(" ", 1)[1])
        page.keyboard.press("j")
    assert seen == set(HOSTILE)
    assert page.evaluate("window.hurt") is None
    assert page.locator("img, b, #scenario script").count() == 0
    assert page.locator("table.main th.method").nth(2).text_content() == "<b>odd</b>"
    answer = page.locator("#scenario .answer").text_content()
    assert answer in {text for texts in data["answers"].values() for text in texts.values()}
    assert page.evaluate("getComputedStyle(document.querySelector('.query')).unicodeBidi") == "isolate"


@pytest.mark.parametrize("width", [360, 768])
def test_a_narrow_page_does_not_scroll_sideways(open_page: Open, simulated: Path, hostile: Path, width: int) -> None:
    for file in (simulated, hostile):
        page = open_page(file, width).page
        for details in page.locator("details").all():
            details.evaluate("one => one.open = true")
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert page.evaluate("document.body.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_what_is_behind_it(open_page: Open, simulated: Path, scheme: str) -> None:
    page = open_page(simulated, scheme=scheme).page
    page.locator("button[data-method=mcts]").click()
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", ground)[:3])) > 384) == (scheme == "light")
    assert page.evaluate(FAINT) == []


def test_on_paper_there_are_figures_and_tables_and_no_scenarios(open_page: Open, simulated: Path) -> None:
    page = open_page(simulated, scheme="dark").page
    page.emulate_media(media="print")
    assert page.locator("#browser").is_hidden()
    assert page.locator("#no-browser").is_visible()
    assert page.locator("table.main").is_visible()
    assert page.locator("#by-question svg").is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(253, 253, 252)"
    assert len(page.pdf()) > 20_000
