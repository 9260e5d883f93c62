"""The page in a real browser: nothing complains, nothing overflows, and what can be chosen can be chosen by pointer and keys."""

from __future__ import annotations

from pathlib import Path

import pytest
from browser import Browser

from nas.report import report_page
from nas.run_directory import RunDirectory

PLACE = "(s => { const r = document.querySelector(s).getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })"

FAINT = """
(() => {
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const linear = (v) => (v / 255 <= 0.03928 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4);
  const level = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const ground = (e) => {
    for (; e; e = e.parentElement) {
      const colour = numbers(getComputedStyle(e).backgroundColor);
      if (colour.length < 4 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const found = {};
  for (const e of document.querySelectorAll("body *")) {
    const words = [...e.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
    if (!words || e.closest(".map, .cell, title, script")) continue;
    const style = getComputedStyle(e);
    const levels = [level(numbers(e.closest("svg") ? style.fill : style.color)), level(ground(e))];
    const ratio = (Math.max(...levels) + 0.05) / (Math.min(...levels) + 0.05);
    if (ratio < 4.5) found[e.outerHTML.slice(0, 60)] = ratio;
  }
  return found;
})()
"""
"""Text, outside of coloured cells, with less contrast than WCAG 2 asks for (section 1.4.3: 4.5 to 1)."""


@pytest.fixture(scope="module")
def page(searched: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(report_page(RunDirectory.open(searched)))
    return path


def told(browser: Browser) -> str:
    return str(browser.evaluate("document.getElementById('picked').textContent"))


@pytest.mark.slow
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [400, 1400])
def test_nothing_complains_and_nothing_overflows(browser: Browser, page: Path, width: int, dark: bool, tmp_path: Path) -> None:
    browser.open(page, width=width, dark=dark)
    for state in ("as it opens", "with everything unfolded"):
        assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth"), state
        outside = (
            "[...document.querySelectorAll('main *')].filter(e => !e.closest('.scroll, pre, .skip')"
            " && e.getBoundingClientRect().right > document.documentElement.clientWidth + 1).map(e => e.outerHTML.slice(0, 80))"
        )
        assert browser.evaluate(outside) == [], state
        browser.screenshot(tmp_path / f"{state}.png")
        assert (tmp_path / f"{state}.png").stat().st_size > 20_000
        browser.evaluate("for (const folded of document.querySelectorAll('details')) folded.open = true;")
    colour = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, colour[4:-1].split(","))) < 200) is dark
    assert browser.complaints == []
    assert browser.requests == [page.as_uri()]


@pytest.mark.slow
def test_text_stands_out_in_light_and_dark(browser: Browser, page: Path) -> None:
    for dark in (False, True):
        browser.open(page, width=1400, dark=dark)
        assert browser.evaluate(FAINT) == {}


@pytest.mark.slow
def test_the_cost_can_be_chosen(browser: Browser, page: Path) -> None:
    browser.open(page, width=1000)
    assert browser.evaluate("document.querySelector('#cost').hidden") is False

    def shown() -> list[str]:
        script = "[...document.querySelectorAll('#front g[data-cost]')].filter(g => getComputedStyle(g).display !== 'none')"
        return list(browser.evaluate(f"{script}.map(g => g.dataset.cost)"))

    places = []
    for cost in ("latency_ms", "macs", "flash", "ram"):
        browser.evaluate(f"document.querySelector('input[value={cost}]').click()")
        assert shown() == [cost]
        places.append(
            tuple(browser.evaluate("[...document.querySelectorAll('#front .mark')].map(m => m.getAttribute('transform'))"))
        )
    assert len(set(places)) == 4


@pytest.mark.slow
def test_networks_can_be_looked_at_by_pointer_and_by_keys(browser: Browser, page: Path) -> None:
    browser.open(page, width=1000)
    hint = told(browser)
    browser.evaluate("document.querySelector('#front .mark.winner').scrollIntoView({block: 'center'})")
    browser.point(*browser.evaluate(f"{PLACE}('#front .mark.winner')"))
    assert ", the winner:" in told(browser)
    same = browser.evaluate("new Set([...document.querySelectorAll('.mark.picked')].map(m => m.dataset.network)).size")
    assert same == 1
    assert browser.evaluate("document.querySelectorAll('#history .mark.picked').length") > 0
    browser.evaluate("document.querySelector('#front svg.marks').focus()")
    browser.press("ArrowRight")
    first = told(browser)
    browser.press("ArrowRight")
    assert told(browser) != first
    browser.press("ArrowLeft")
    assert told(browser) == first
    browser.press("Escape")
    assert told(browser) == hint
    assert browser.complaints == []


@pytest.mark.slow
def test_paper_has_light_ground_and_no_controls(browser: Browser, page: Path) -> None:
    browser.open(page, width=800, dark=True, media="print")
    assert browser.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    for selector in ("nav", "#cost", "#picked"):
        assert browser.evaluate(f"getComputedStyle(document.querySelector('{selector}')).display") == "none"
    assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth")
