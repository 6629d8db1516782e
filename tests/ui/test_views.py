"""The views in Chromium, on runs that have something to show in each of them."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

import logflume
from tests.ui.browser import CHROMIUM, Page, served
from tests.ui.hostile_run import CONFIG
from tests.ui.rich_runs import PARTS_AT, SIZE, SOLVED, STEPS

pytest.importorskip("starlette", reason="the extra `ui` is not installed")
pytest.importorskip("playwright", reason="Playwright, which drives Chromium, is not installed")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")

LINE_PIXELS = 20


@pytest.fixture(scope="module")
def address(rich_runs: Path) -> Iterator[str]:
    with served(rich_runs) as address:
        yield address


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Page]:
    page = Page(browser, address)
    yield page
    page.tab.close()
    assert [] == page.errors


def texts(locator: Any) -> list[str]:
    return [text.strip() for text in locator.all_inner_texts()]


def test_a_run_answers_what_was_forgotten_in_two_clicks(page: Page) -> None:
    """From the run's page one click opens the list, and another the prompt with what was lost."""
    page.open("#/run/rich", ".counts a")
    page.tab.click(".counts span:text-is('forgotten')")
    page.tab.wait_for_selector("[data-prompt]")

    assert ["The lost question?"] == texts(page.tab.locator("[data-prompt] .question"))
    page.tab.click("[data-prompt=lost] a")
    page.tab.wait_for_selector("[data-diff] del")
    assert "solved 100%" in page.tab.locator("select[aria-label='earlier visit']").inner_text()
    assert "7" in page.tab.locator("[data-diff] del").first.inner_text()


def test_a_run_says_which_function_dominates(page: Page) -> None:
    """The function that makes all differences within groups is named, without a click."""
    drivers = page.open("#/run/rich", "[data-section=drivers]")

    assert "right dominates: 100%" in drivers.inner_text()


def test_a_finding_shows_its_completions(page: Page) -> None:
    """The completions that an alert names are shown with it, though they are of another step."""
    page.open("#/run/rich", ".glance a[href='#/run/rich/findings']")
    page.tab.click(".glance h3 a[href='#/run/rich/findings']")
    page.tab.wait_for_selector("[data-alert=reward_hack] [data-id]")

    shown = page.tab.locator("[data-alert=reward_hack] [data-id]")
    ids = shown.evaluate_all("all => all.map(one => one.dataset.id)")
    assert ["r-0-8-10", "r-0-8-11"] == ids
    shown.first.click()
    page.tab.wait_for_selector("[data-id='r-0-8-10'][aria-current]")
    assert "step 8" in page.tab.locator(".stepper output").inner_text()


def test_findings_name_what_is_not_recorded(tmp_path: Path, browser: Any) -> None:
    """Without any finding, the view still says which processor or sink failed."""

    def broken(_logger: object, _method: str, event_dict: dict[str, Any]) -> dict[str, Any]:
        if event_dict["event"] == "training":
            raise ValueError("no")
        return event_dict

    logflume.initialize({**CONFIG, "processors": [broken]}, run="r", dir=tmp_path)
    logflume.log_training_progress(1, {"loss": 1.0})
    logflume.shutdown()
    with served(tmp_path) as address:
        page = Page(browser, address)
        notice = page.open("#/run/r/findings", ".notice")
        assert "broken failed: ValueError: no (test_views.py:" in notice.inner_text()
        assert "Nothing was found" in page.tab.locator("main").inner_text()
        page.tab.close()


def test_a_finding_that_is_over_says_so(page: Page) -> None:
    """It is one finding, grey, with the last step at which it was seen; the others aren't."""
    findings = page.open("#/run/rich/findings", "[data-alert]").page.locator("[data-alert]")

    assert ["reward_hack", "kl_runaway"] == findings.evaluate_all(
        "all => all.map(one => one.dataset.alert)"
    )
    assert ["kl_runaway"] == page.tab.locator(".finding.over").evaluate_all(
        "all => all.map(one => one.dataset.alert)"
    )
    assert "over since step 19" in findings.last.inner_text()
    colors = findings.locator(".message").evaluate_all(
        "all => all.map(m => getComputedStyle(m).color)"
    )
    assert 2 == len(set(colors))


def test_rewards_of_all_functions_are_in_one_chart(page: Page) -> None:
    """The chart names each function, with the last value of its curve."""
    chart = page.open("#/run/rich", "[data-metric=rewards]")

    page.tab.wait_for_function(
        "document.querySelector('[data-metric=rewards] b').textContent !== ''"
    )
    assert ["right\n2.4", "form\n0.5"] == texts(chart.locator(".reading > span"))


@pytest.mark.parametrize("axis", ["time", "tokens"])
def test_a_click_on_a_point_opens_its_step_whatever_the_axis(page: Page, axis: str) -> None:
    """At the right end of a chart are the completions of the last step."""
    page.open("#/run/other", "[data-metric=loss] .u-over")
    page.tab.click(f".segments button:text-is('{axis}')")
    page.tab.wait_for_selector(f".segments button:text-is('{axis}')[aria-pressed=true]")
    page.tab.wait_for_load_state("networkidle")
    over = page.tab.locator("[data-metric=loss] .u-over")
    width = over.bounding_box()["width"]

    over.click(position={"x": width - 1, "y": 20})

    page.tab.wait_for_selector("[data-group]")
    assert f"step={STEPS}" in page.tab.url


def test_a_step_without_completions_leads_to_the_nearest(page: Page) -> None:
    """A line says that another step is shown."""
    notice = page.open("#/run/rich/completions?step=9", ".notice")

    assert "Step 9 has no completions" in notice.inner_text()
    assert "step 8" == page.tab.locator(".stepper output").inner_text()


def test_an_id_in_the_address_leads_to_its_step(page: Page) -> None:
    """A completion that is named without its step is selected in its group."""
    page.open("#/run/rich/completions?id=r-0-8-10", "[data-id='r-0-8-10'][aria-current]")

    assert "step 8" == page.tab.locator(".stepper output").inner_text()


def test_system_and_ranks_are_shown(page: Page) -> None:
    """Each GPU has a line, and the slowest rank its name."""
    page.open("#/run/rich", "[data-section=ranks]")
    ranks = page.tab.locator("[data-section=ranks]").inner_text()
    assert "rank 1 on node1 in 12 of 24 steps" in ranks

    page.tab.click("[data-section=system] summary")
    chart = page.tab.locator("[data-metric='system.gpu/0/utilization_percent']")
    page.tab.wait_for_selector("[data-metric='system.gpu/0/utilization_percent'] b:text-is('89')")
    assert ["GPU 0\n90", "GPU 1\n89"] == texts(chart.locator(".reading > span"))


def test_tokens_have_their_colours_and_their_numbers(page: Page, rich_runs: Path) -> None:
    """Each token shows its text and says what the run knows; unlikely ones are coloured."""
    page.open("#/run/rich/completions?step=8&group=0&show=tokens", "[data-tokens] span")
    tokens = page.tab.locator("[data-tokens='r-0-8-00'] .tokens span")

    assert [" The", " answer", "↵\n", "é"] == tokens.evaluate_all(
        "all => all.map(one => one.textContent)"
    )
    known = logflume.open_run(rich_runs / "rich").tokens("r-0-8-00").to_pylist()
    titles = tokens.evaluate_all("all => all.map(one => one.title)")
    assert all(f"ratio {row['ratio']:g}" in title for row, title in zip(known, titles, strict=True))
    assert "logprob -4" in titles[2]
    colours = tokens.evaluate_all("all => all.map(one => getComputedStyle(one).backgroundColor)")
    assert colours[0] != colours[2]
    assert "masked" == tokens.nth(3).get_attribute("class")
    assert 3 == page.tab.locator("text=its tokens were not recorded").count()


def test_differences_to_the_selected_completion_are_marked(page: Page) -> None:
    """The others show what they add and lack, and a key selects another one to compare with."""
    page.open("#/run/rich/completions?step=8&group=2&show=differences", "[data-diff] ins")
    assert ["0", "1"] == [
        page.tab.locator("[data-id='r-0-8-21'] [data-diff] " + kind).inner_text()
        for kind in ("del", "ins")
    ]

    page.tab.keyboard.press("ArrowRight")
    page.tab.keyboard.press("ArrowRight")
    page.tab.wait_for_selector("[data-id='r-0-8-21'][aria-current]")

    assert "1" == page.tab.locator("[data-id='r-0-8-20'] [data-diff] del").inner_text()


def test_a_function_and_a_column_filter_completions(page: Page, rich_runs: Path) -> None:
    """The histogram of the chosen function and a condition select what `outputs` does."""
    run = logflume.open_run(rich_runs / "rich")
    page.open("#/run/rich/completions?step=16", "[data-group]")
    page.tab.select_option("select[aria-label='Reward function']", "rewards/right")
    page.tab.click(".histogram button:last-child")
    expected = len(run.outputs(steps=16, min_reward=1.9, by="rewards/right"))
    page.tab.wait_for_selector(f".toolbar:has-text('{expected} completions in')")

    page.tab.click(".condition summary")
    page.tab.wait_for_selector("option[value=completion_tokens]", state="attached")
    page.tab.select_option("select[aria-label=Column]", "completion_tokens")
    page.tab.select_option("select[aria-label=Comparison]", ">")
    page.tab.fill("input[aria-label=Value]", "10")
    page.tab.click("text=Add")

    expected = len(run.outputs(steps=16, where='completion_tokens > 10 and "rewards/right" = 2'))
    page.tab.wait_for_selector(f"text={expected} completions in")
    assert 'where="completion_tokens"+>+10' in page.tab.evaluate("decodeURIComponent(location)")


def test_the_figures_of_groups_and_prompts_are_those_of_the_run(
    page: Page, rich_runs: Path
) -> None:
    """What the lists show is what `groups` and `prompts` return."""
    run = logflume.open_run(rich_runs / "rich")
    rows = page.open("#/run/rich/completions?step=8", "[data-group]")
    shown = [" ".join(texts(row.locator(".solved, .mean"))) for row in rows.all()]
    expected = [
        f"{row['solved']}/{row['completions']} solved {row['reward_mean']:g} "
        f"± {row['reward_std']:.4g}"
        for row in run.groups(steps=8).to_pylist()
    ]
    assert expected == shown

    rows = page.open("#/run/rich/prompts", "[data-prompt]")
    for row in run.prompts().to_pylist():
        cells = page.tab.locator(f"[data-prompt={row['prompt_id']}] td")
        assert [
            str(row["visits"]),
            f"{row['solve_rate']:.0%}",
            f"{row['first']:.0%} → {row['latest']:.0%}",
        ] == texts(cells)[1:4]


def test_each_of_many_completions_of_a_prompt_can_be_read(page: Page, rich_runs: Path) -> None:
    """Also those that the answer about the prompt has only the figures of."""
    logflume.initialize(CONFIG, run="many", dir=rich_runs)
    for step in range(3):
        for index in range(150):
            logflume.get_model_logger().info(
                "model_output",
                step=step,
                generation=step,
                group=0,
                index=index,
                id=f"m-0-{step}-{index}",
                prompt_id="one",
                question="One question?",
                model_output=f"Completion {index} of step {step}.",
                **{"rewards/total": float(index % 7), "quality/correct": index % 7 == 6},
            )
    logflume.shutdown()
    try:
        page.open("#/run/many/prompt/one?a=1&ai=60", "[data-id='m-0-1-60'] pre")
        page.tab.wait_for_selector("text=Completion 60 of step 1.")

        assert "3 visits" in page.tab.locator(".facts").inner_text()
        assert "450 completions" in page.tab.locator(".facts").inner_text()
    finally:
        shutil.rmtree(rich_runs / "many")


def test_a_text_filters_by_the_address(page: Page) -> None:
    """`filter=` in the address is the text that the field shows and the completions contain."""
    page.open("#/run/rich/completions?step=16&filter=is+7", "[data-group]")

    page.tab.wait_for_selector(".toolbar:has-text('7 completions in 3 of 4 groups match')")
    assert "is 7" == page.tab.locator("#search").input_value()
    page.tab.click("text=Clear")
    page.tab.wait_for_selector(".toolbar:has-text('4 groups, mean reward')")
    assert "" == page.tab.locator("#search").input_value()


def marks(page: Page, pattern: str) -> list[str]:
    """Return what is marked in the completions of an open group by a regular expression."""
    query = urlencode({"step": 8, "group": 0, "regex": 1, "filter": pattern})
    page.open(f"#/run/rich/completions?{query}", "[data-id]")
    page.tab.wait_for_selector("[data-id] mark, [data-note='not marked']")
    return texts(page.tab.locator("[data-id] mark"))


def test_a_regular_expression_marks_what_it_finds(page: Page) -> None:
    """What is marked are its matches, whose flags may be within it."""
    assert ["me"] * SIZE == marks(page, r"(?i)\bME\b")


def test_a_slow_regular_expression_does_not_stop_the_page(page: Page) -> None:
    """RE2 finds it at once; the browser would take years, so nothing is marked, and it says so."""
    assert [] == marks(page, r"^([A-Za-z .]|[a-z .]|[a-z .])+!|answer")
    page.tab.keyboard.press("ArrowRight")
    page.tab.wait_for_selector("[data-id][aria-current]")


def test_the_keyboard_moves_the_cursor_of_a_chart(page: Page) -> None:
    """Left and right go from point to point, and Enter opens the completions of the step."""
    plot = page.open("#/run/rich", "[data-metric=loss] .plot")
    page.tab.wait_for_selector("[data-metric=loss] canvas")

    plot.press("Home")
    for _ in range(3):
        plot.press("ArrowRight")

    chart = page.tab.locator("[data-metric=loss]")
    assert "step 4" == chart.locator(".at").inner_text()
    assert "0.025" == chart.locator("b").first.inner_text()
    plot.press("Enter")
    page.tab.wait_for_selector("[data-group]")
    assert page.tab.url.endswith("completions?step=4")


def test_the_map_leads_to_a_prompt(page: Page) -> None:
    """A row of the map is a prompt; it has as many as the list."""
    page.open("#/run/rich/prompts?view=map&sort=first_step", "[data-map] canvas")
    canvas = page.tab.locator("[data-map] canvas")
    assert canvas.get_attribute("aria-label").startswith(f"{len(SOLVED)} prompts")

    canvas.hover(position={"x": 30, "y": 2})
    page.tab.wait_for_selector("[data-map] .tip")
    canvas.click(position={"x": 30, "y": 2})

    page.tab.wait_for_selector("h1")
    assert re.search(r"#/run/rich/prompt/(learned|lost|hard|easy)$", page.tab.url)


def test_comparing_says_what_differs_and_where_runs_part(page: Page) -> None:
    """Settings, the step from which on the reward differs, and the curves over each other."""
    page.open("#/compare?runs=rich,other", "[data-divergence=reward]")

    differing = page.tab.locator("[data-setting]").evaluate_all(
        "all => all.map(one => one.dataset.setting)"
    )
    assert ["learning_rate"] == differing
    divergence = page.tab.locator("[data-divergence=reward]").inner_text()
    first = int(re.search(r"from step (\d+):", divergence)[1])  # type: ignore[index]
    assert PARTS_AT <= first <= PARTS_AT + 3
    assert f"values differ from step {PARTS_AT}" in divergence
    assert "equal at every step" in page.tab.locator("[data-divergence=loss]").inner_text()
    assert 2 == page.tab.locator("[data-metric=loss] .reading > span").count()
    for axis in ("time", "tokens"):
        page.tab.click(f".segments button:text-is('{axis}')")
    page.tab.wait_for_selector(".segments button:text-is('tokens')[aria-pressed=true]")
    assert 0 == page.tab.locator(".notice").count()


def test_comparing_shows_the_same_prompt_in_both_runs(page: Page) -> None:
    """A prompt's completions of both runs are side by side, with a diff."""
    page.open("#/compare?runs=rich,other", "[data-section=common-prompts] [data-prompt]")
    assert len(SOLVED) == page.tab.locator("[data-section=common-prompts] [data-prompt]").count()

    page.tab.click("[data-prompt=hard] button")

    page.tab.wait_for_selector("[data-same-prompt=hard] [data-diff]")
    assert 2 == page.tab.locator("[data-same-prompt] [data-id]").count()


def test_marks_name_attempts_and_findings(page: Page) -> None:
    """At the step where the later attempt starts, the cursor's line names it."""
    page.open("#/run/rich", "[data-section=drivers]")
    page.tab.wait_for_selector(".legend-line:has-text('a later attempt')")
    over = page.tab.locator("[data-metric=loss] .u-over")
    box = over.bounding_box()

    over.hover(position={"x": box["width"] * (13 - 1) / (STEPS - 1), "y": 30})

    page.tab.wait_for_selector("[data-metric=loss] .at:has-text('step 13 · attempt 1 starts')")
    page.tab.wait_for_selector("[data-metric=reward] .at:has-text('step 13')")


def test_the_overview_does_not_move_the_charts(page: Page) -> None:
    """Charts stay where they are when the answers above them arrive late."""
    for name in ("reward_shares", "prompts", "alerts"):
        page.tab.route(f"**/api/{name}?*", lambda _: None)
    page.open("#/run/rich", "[data-metric=loss] .u-over")
    page.tab.wait_for_function("document.querySelectorAll('.glance section').length === 3")
    before = page.tab.locator("[data-metric=loss]").bounding_box()["y"]

    page.tab.unroute_all()  # lets them through
    page.tab.wait_for_selector("[data-section=drivers]")
    page.tab.wait_for_selector(".glance li:has-text('The KL divergence rose.')")

    after = page.tab.locator("[data-metric=loss]").bounding_box()["y"]
    assert abs(after - before) <= LINE_PIXELS


def test_a_zoom_stays_when_a_step_is_logged(page: Page, rich_runs: Path) -> None:
    """A live run's charts show the new value, and still only the steps that were chosen."""
    logflume.initialize(CONFIG, run="live", dir=rich_runs)
    try:
        for step in range(1, 11):
            logflume.get_logger().info("training", step=step, loss=1.0)
        logflume.flush()
        page.open("#/run/live", "[data-metric=loss] .u-over")
        over = page.tab.locator("[data-metric=loss] .u-over")
        box = over.bounding_box()
        page.tab.mouse.move(box["x"] + 5, box["y"] + 40)
        page.tab.mouse.down()
        page.tab.mouse.move(box["x"] + box["width"] / 3, box["y"] + 40, steps=3)
        page.tab.mouse.up()
        page.tab.mouse.move(5, 5)

        logflume.get_logger().info("training", step=11, loss=7.0)
        logflume.flush()

        page.tab.wait_for_selector("[data-metric=loss] b:text-is('7')", timeout=10_000)
        over.hover(position={"x": box["width"] - 2, "y": 40})
        at = page.tab.locator("[data-metric=loss] .at").inner_text()
        assert int(at.removeprefix("step ")) <= 5
        over.dblclick(position={"x": box["width"] - 2, "y": 40})
        page.tab.wait_for_selector("[data-metric=loss] .at:text-is('step 11')")
    finally:
        logflume.shutdown()
        shutil.rmtree(rich_runs / "live")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_have_enough_contrast(page: Page, scheme: str) -> None:
    """Each colour of texts has a contrast of 4.5 on each background (WCAG AA)."""
    page.tab.emulate_media(color_scheme=scheme)
    page.open("#/run/rich", "[data-metric=loss]")
    style = "getComputedStyle(document.documentElement).getPropertyValue"
    names = ["text", "muted", "faint", "accent", "warning", "critical", "good"]
    colours, grounds = (
        {
            name: page.tab.evaluate(
                f"{style}.call(getComputedStyle(document.documentElement), '--{name}')"
            ).strip()
            for name in some
        }
        for some in (names, ["panel", "bg"])
    )

    low = {
        (name, ground): contrast(colours[name], grounds[ground])
        for name in names
        for ground in grounds
        if contrast(colours[name], grounds[ground]) < 4.5
    }

    assert {} == low


VIEWS = ["", "/completions?step=8&group=3", "/prompts", "/prompt/lost", "/findings"]


def test_a_phone_scrolls_in_one_direction(page: Page) -> None:
    """No view is wider than a phone: what is wide scrolls by itself."""
    page.tab.set_viewport_size({"width": 390, "height": 844})
    for view in ["#/", "#/compare?runs=rich,other", *(f"#/run/rich{view}" for view in VIEWS)]:
        page.open(view, "main > div > *")
        page.tab.wait_for_load_state("networkidle")

        assert page.tab.evaluate("document.documentElement.scrollWidth") <= 390, view


def test_a_conversation_shows_thinking_calls_and_results(page: Page) -> None:
    """Each turn has its role, and all completions of the group are there."""
    page.open("#/run/rich/completions?step=8&group=3", "[data-id] .turn")

    assert SIZE == page.tab.locator("[data-id]").count()
    first = page.tab.locator("[data-id='r-0-8-30'] .role")
    assert ["assistant, thinking", "calls add", "tool: add", "assistant"] == texts(first)


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours in hex, by WCAG 2.2."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def _log_findings(folder: Path) -> None:
    """Log a run whose prompts have no rewards, and six findings, one of them with many ids."""
    logflume.initialize(CONFIG, run="r", dir=folder)
    for step in (1, 2):
        for index in range(8):
            logflume.get_model_logger().info(
                "model_output",
                step=step,
                group=0,
                index=index,
                id=f"c{step}{index}",
                prompt_id="p",
                model_output=f"It is {'7' if index == 5 else 'no'}.",
                **{"quality/correct": index == 5},
            )
    severities = ("warning", "info", "critical", "info", "warning", "critical")
    for step, severity in enumerate(severities):
        logflume.get_logger().warning(
            "alert",
            step=step,
            signal=f"s{step}",
            severity=severity,
            message=f"Number {step}",
            completions=[f"c1{index}" for index in range(6)] if step == 5 else [],
        )
    logflume.shutdown()


def test_more_than_is_shown_can_be_reached(tmp_path: Path, browser: Any) -> None:
    """The most severe findings come first; the others, and all completions, are a click away."""
    _log_findings(tmp_path)
    with served(tmp_path) as address:
        page = Page(browser, address)
        card = page.open("#/run/r", "[data-section=findings]")
        found = [text[-1] for text in texts(card.locator("li"))]
        assert ["5", "2", "4"] == found
        card.locator("a:text-is('3 more')").click()
        page.tab.click("[data-alert=s5] a:text-is('c15')")
        page.tab.wait_for_selector("[data-id=c15][aria-current]")
        page.tab.close()


def test_a_prompt_opens_with_what_solves_it(tmp_path: Path, browser: Any) -> None:
    """A solved completion is compared with one that isn't, though neither has a reward."""
    _log_findings(tmp_path)
    with served(tmp_path) as address:
        page = Page(browser, address)
        page.open("#/run/r/prompt/p", "[data-diff]")
        assert "7" in "".join(texts(page.tab.locator("[data-diff] ins")))
        page.tab.close()


def test_training_and_evaluation_have_a_switch(tmp_path: Path, browser: Any) -> None:
    """Lists and prompts are about training, or after a click about evaluations."""
    logflume.initialize(CONFIG, run="r", dir=tmp_path)
    for step, mode, solved in (
        *((1, "train", True), (2, "train", True), (2, "eval", True)),
        *((3, "train", True), (3, "eval", False)),
    ):
        fields = {"step": step, "mode": mode, "prompt_id": "p", "model_output": f"{mode} {step}"}
        logflume.get_model_logger().info("model_output", **fields, **{"quality/correct": solved})
    logflume.shutdown()
    with served(tmp_path) as address:
        page = Page(browser, address)
        row = page.open("#/run/r/prompts", "[data-prompt=p] td")
        assert ["3", "100%", "100% → 100%"] == texts(row)[1:4]
        page.tab.click("[data-mode=eval]")
        page.tab.wait_for_selector("[data-change=forgotten] b:text-is('1')")
        assert ["2", "50%", "100% → 0%"] == texts(page.tab.locator("[data-prompt=p] td"))[1:4]
        page.tab.click("[data-prompt=p] a")
        visits = "select[aria-label='later visit'] option"
        page.tab.wait_for_selector(visits, state="attached")
        assert 2 == page.tab.locator(visits).count()
        page.tab.click("[data-mode=train]")
        page.tab.wait_for_selector("text=train 3")
        assert 3 == page.tab.locator(visits).count()
        page.tab.close()


def test_a_run_without_evaluations_has_no_switch(page: Page) -> None:
    """There is nothing to choose."""
    page.open("#/run/rich/prompts", "[data-prompt]")
    assert 0 == page.tab.locator("[data-mode]").count()


def test_visits_have_the_colours_of_their_solve_rates(page: Page) -> None:
    """The legend says so, and their highest and lowest value."""
    page.open("#/run/rich/prompts", "[data-prompt=lost] svg")
    legend = page.tab.locator(".legend")
    assert "solve rate 0% 100%" == " ".join(legend.inner_text().split())
    shades = [str(100 * solved // SIZE) for solved in SOLVED["lost"]]
    assert shades == _shades(page.tab.locator("[data-prompt=lost]"))


def test_visits_have_the_colours_of_their_rewards(tmp_path: Path, browser: Any) -> None:
    """Where correctness wasn't measured, they are those of the rewards, as the legend says."""
    logflume.initialize(CONFIG, run="r", dir=tmp_path)
    for step, reward in ((1, 0.5), (2, 2.5), (3, 1.5)):
        fields = {"step": step, "prompt_id": "p", "group": 0, "rewards/total": reward}
        logflume.get_model_logger().info("model_output", **fields)
    logflume.shutdown()
    with served(tmp_path) as address:
        page = Page(browser, address)
        page.open("#/run/r/prompts?solved=2", "[data-prompt=p] svg")
        assert "mean reward 0.5 2.5" == " ".join(page.tab.locator(".legend").inner_text().split())
        assert ["0", "100", "50"] == _shades(page.tab.locator("[data-prompt=p]"))
        page.tab.close()


def _shades(row: Any) -> Any:
    """Return the colour of each visit, in percent of the highest one."""
    fills = row.locator("svg rect[style*=color-mix]")
    return fills.evaluate_all("all => all.map(one => /(\\d+)%/.exec(one.getAttribute('style'))[1])")


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A run whose evaluations have one completion of a prompt, and a finding at its last step."""
    folder = tmp_path_factory.mktemp("evaluated")
    logflume.initialize(CONFIG, run="r", dir=folder)
    log, model = logflume.get_logger(), logflume.get_model_logger()
    steps = [*range(1, 5), *range(100_001, 100_005)]
    for step in steps:
        log.info("training", step=step, accuracy=0.5, **dict.fromkeys(FUNCTIONS, 0.5))
        log.info("evaluation", step=step, accuracy=0.75)
        for mode, size in (("train", 4), ("eval", 1)):
            for index in range(size):
                rewards = {"rewards/a": index / 2, "rewards/b": -index, "rewards/total": -index / 2}
                fields = {"step": step, "mode": mode, "group": 0, "index": index, "prompt_id": "p"}
                solved = {"quality/correct": index == 0}
                model.info("model_output", question="q", **fields, **rewards, **solved)
    log.warning("alert", step=steps[-1], signal="flat", severity="info", message="It is flat.")
    logflume.shutdown()
    with served(folder) as address:
        yield address


FUNCTIONS = ("rewards/a/mean", "rewards/b/mean")


def test_the_bars_of_shares_begin_and_end_together(evaluated: str, browser: Any) -> None:
    """The labels of the two stretches have different lengths, their bars have the same ends."""
    page = Page(browser, evaluated)
    bars = page.open("#/run/r", "[data-section=drivers] .stack")
    boxes = bars.evaluate_all(
        "all => all.map(one => one.getBoundingClientRect()).map(b => [b.left, b.right])"
    )
    assert 2 == len(boxes)
    assert boxes[0] == boxes[1]
    page.tab.close()


def test_a_chart_of_training_and_evaluation_names_both(evaluated: str, browser: Any) -> None:
    """Each value has the name of its mode; where there is only one mode, training has none."""
    page = Page(browser, evaluated)
    page.open("#/run/r", "[data-metric=accuracy] b:text-is('0.75')")
    assert "train 0.5 eval 0.75" == _reading(page, "accuracy")
    assert "0.5" == _reading(page, FUNCTIONS[0])
    page.tab.close()


def _reading(page: Page, metric: str) -> str:
    reading = page.tab.locator(f"[data-metric='{metric}'] .reading")
    return " ".join(reading.inner_text().split())


def test_the_place_of_the_cursor_covers_the_marks_beneath(evaluated: str, browser: Any) -> None:
    """At the right edge, the text of the cursor is over a finding's mark, on an opaque ground."""
    page = Page(browser, evaluated)
    page.open("#/run/r", "[data-metric=accuracy] canvas")
    page.tab.locator("[data-metric=accuracy] .plot").press("End")
    at = page.tab.wait_for_selector("[data-metric=accuracy] .at:has-text('flat')")
    assert re.fullmatch(
        r"rgb\(\d+, \d+, \d+\)", at.evaluate("e => getComputedStyle(e).backgroundColor")
    )
    page.tab.close()


def test_prompts_explain_what_evaluations_lack(evaluated: str, browser: Any) -> None:
    """A pass@k without a value has its reason."""
    page = Page(browser, evaluated)
    page.open("#/run/r/prompts", ".prompt-row")
    page.tab.wait_for_selector("text=/pass@\\d is unknown in evaluations: it needs prompts with/")
    assert 0 == page.tab.locator("text=is unknown in training").count()
    page.tab.close()
