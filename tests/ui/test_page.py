"""The page in Chromium, with a run whose texts are hostile."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import logflume
from tests.ui.browser import CHROMIUM, Page, served
from tests.ui.hostile_run import CONFIG, GROUPS, HOSTILE, SIZE, STEPS, log_step

pytest.importorskip("starlette", reason="the extra `ui` is not installed")
pytest.importorskip("playwright", reason="Playwright, which drives Chromium, is not installed")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
SHOWN = HOSTILE.replace("\u202e", "\\u202e").replace("\x1b", "\\x1b")


@pytest.fixture(scope="module")
def address(runs: Path) -> Iterator[str]:
    with served(runs) as address:
        yield address


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Page]:
    page = Page(browser, address)
    yield page
    page.tab.close()


VIEWS = {
    "#/run/hostile": "[data-section=drivers] .clip",
    "#/run/hostile/completions?step=2&group=1": "[data-id]",
    "#/run/hostile/completions?search=therefore&all=1": "[data-id]",
    "#/run/hostile/completions?step=2&group=0&show=differences": "[data-diff]",
    "#/run/hostile/completions?step=2&group=0&show=tokens": "[data-tokens] span",
    "#/run/hostile/completions?step=2&reward=rewards%2F%3Cb%3Eevil": "[data-group]",
    "#/run/hostile/prompts": "[data-prompt]",
    "#/run/hostile/prompts?view=map": "[data-map] canvas",
    "#/run/hostile/prompt/..%2Fp1": "[data-diff]",
    "#/run/hostile/findings": "[data-alert]",
    "#/compare?runs=hostile,empty": "[data-metric=loss]",
    "#/run/empty": ".empty",
    "#/": "[data-run]",
}


def test_hostile_texts_only_show(page: Page, address: str) -> None:
    """In no view a text runs, reaches another origin, leaves anything but text, or widens it."""
    for view, selector in VIEWS.items():
        page.open(view, selector)
        assert 0 == page.tab.locator("#app script, #app img[onerror], #app svg[onload]").count()
        assert 0 == page.tab.locator("#app a[href^='javascript' i]").count()
        assert page.tab.evaluate("document.documentElement.scrollWidth <= innerWidth"), view

    assert page.tab.evaluate("window.pwned") is None
    assert [] == page.errors
    assert {address.rstrip("/")} == {re.match(r"\w+://[^/]+", url)[0] for url in page.urls}  # type: ignore[index]


def test_completions_show_what_the_run_has(page: Page) -> None:
    """A group's completions have their rewards, and hidden characters are seen."""
    page.open("#/run/hostile/completions?step=2", "[data-group]")
    assert GROUPS == page.tab.locator("[data-group]").count()
    page.tab.click("[data-group='0']")
    page.tab.wait_for_selector("[data-id]")

    outputs = page.tab.locator("[data-id]")

    assert SIZE == outputs.count()
    assert ["0", "1", "2", "3"] == outputs.locator(".total").all_inner_texts()
    assert f"{SHOWN} therefore 3" in outputs.nth(3).inner_text()
    assert "no signal" in page.tab.locator("[data-group='1']").inner_text()


def test_the_keyboard_moves_between_groups_and_completions(page: Page) -> None:
    """Arrows select the next group and completion, brackets the next step."""
    page.open("#/run/hostile/completions?step=1", "[data-group]")

    page.tab.keyboard.press("ArrowDown")
    page.tab.wait_for_selector("[data-group='0'][aria-current]")
    page.tab.wait_for_selector("[data-id]")
    page.tab.keyboard.press("ArrowRight")
    page.tab.wait_for_selector("[data-id='w-0-100'][aria-current]")
    page.tab.keyboard.press("]")
    page.tab.wait_for_selector("text=step 2")


def test_the_list_shows_runs_as_they_are(page: Page) -> None:
    """Each run has a row, and a damaged one says what to do."""
    rows = page.open("#/", "[data-run]")

    assert 3 == rows.count()
    assert "logflume doctor" in page.tab.locator("[data-run=damaged]").inner_text()
    page.tab.click("[data-run=hostile] a")
    page.tab.wait_for_selector("[data-metric=reward]")


def test_a_step_appears_without_reloading(page: Page, runs: Path) -> None:
    """A live run's next step is on the page, and scroll, filter, selection and group stay."""
    logflume.initialize(CONFIG, run="live", dir=runs)
    try:
        log_step(1)
        logflume.flush()
        page.tab.set_viewport_size({"width": 900, "height": 400})
        page.open(
            "#/run/live/completions?step=1&group=0&id=w-0-101&max=9", "[data-id][aria-current]"
        )
        page.tab.evaluate("window.same = true; window.scrollTo(0, 120)")
        page.tab.focus("#search")
        before = page.tab.evaluate("[location.href, scrollY, document.activeElement.id]")

        log_step(2)
        logflume.flush()

        page.tab.wait_for_selector("input[type=range][max='1']", timeout=10_000)
        assert page.tab.evaluate("window.same")
        assert before == page.tab.evaluate("[location.href, scrollY, document.activeElement.id]")
        assert SIZE == page.tab.locator("[data-id]").count()
        assert 1 == page.tab.locator("[data-id='w-0-101'][aria-current]").count()
    finally:
        logflume.shutdown()
        shutil.rmtree(runs / "live")


def test_a_search_of_all_steps_shows_what_it_finds(page: Page) -> None:
    """The newest completions come first, and typing on replaces the search."""
    page.open("#/run/hostile/completions?search=therefore&all=1", "[data-id]")
    page.tab.wait_for_selector(f"text={STEPS * GROUPS * SIZE} completions match")
    assert "step 3" in page.tab.locator("[data-id]").first.inner_text()

    page.tab.fill("#search", "THEREFORE 2")

    page.tab.wait_for_selector(f"text={STEPS * GROUPS} completions match")
    assert STEPS * GROUPS == page.tab.locator("[data-id]").count()
    assert {"therefore 2"} == set(page.tab.locator("[data-id] .mono mark").all_inner_texts())
    page.tab.fill("#search", "nowhere")
    page.tab.wait_for_selector("text=No completion of this run matches.")
    assert [] == page.errors


def test_a_damaged_run_shows_what_is_left(page: Page) -> None:
    """The damage is named above the curves of the rest."""
    page.open("#/run/damaged", "[data-metric=reward]")

    assert "The page shows what is left." in page.tab.locator("[role=alert]").inner_text()


def test_steps_of_the_page_are_those_of_the_run(page: Page) -> None:
    """The last value of a curve is the one that the run logged last."""
    chart = page.open("#/run/hostile", "[data-metric=reward]")

    page.tab.wait_for_function("document.querySelector('[data-metric=reward] b').textContent")
    assert str(0.5 * STEPS) == chart.locator("b").first.inner_text()
