"""`measure_generations`: the measures of each completion, and their means over a batch."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import logflume
from logflume.processors.measure_generations import MeasureGenerations
from logflume.protocols import Event
from logflume.testing import capture_events
from logflume.training.rollout_events import columns_by_type
from logflume.training.rollouts import Rollouts
from tests.event_helpers import fields, only, own

GOOD = "<reasoning>\n3+4=7\n</reasoning>\n<answer>\n7\n</answer>\n"

COUNTS = ("characters", "words", "repetition", "distinct_2")
SHARES = ("format_ok", "has_answer", "correct", "truncated")


def measure(text: Any, options: dict[str, Any] | None = None, /, **values: Any) -> dict[str, Any]:
    """Log a completion through the pipeline, and return its measures by their short names."""
    with capture_events(MeasureGenerations(**options or {})) as events:
        logflume.get_logger("model").info("model_output", model_output=text, **values)
    return quality(only(events))


def quality(event: Event) -> dict[str, Any]:
    """Return the measures in an event by their short names."""
    prefix = "quality/"
    return {k.removeprefix(prefix): v for k, v in event.items() if k.startswith(prefix)}


def test_correct_completion() -> None:
    """All measures of a text in the expected format, with the true answer and no repetition."""
    assert {
        "characters": 52,
        "words": 6,
        "format_ok": True,
        "has_answer": True,
        "correct": True,
        "repetition": 0.0,
        "distinct_2": 1.0,
    } == measure(GOOD, true_answer="7")


def test_other_fields_are_unchanged() -> None:
    """Measures and the answer are added; the logged fields are unchanged."""
    logged = {"model_output": GOOD, "true_answer": "7", "group": 1, "rewards": {"a": 0.5}}
    with capture_events(MeasureGenerations()) as measured:
        logflume.get_logger("model").info("model_output", **logged)
    with capture_events() as unmeasured:
        logflume.get_logger("model").info("model_output", **logged)

    added = {f"quality/{name}": value for name, value in quality(only(measured)).items()}
    added["answer"] = "7"
    assert {**fields(only(unmeasured)), **added} == fields(only(measured))


@pytest.mark.parametrize(
    ("text", "format_ok", "has_answer"),
    [
        ("<reasoning>a</reasoning><answer>7</answer>", True, True),
        ("So: <reasoning>a < b</reasoning> then <answer>7</answer> done", True, True),
        ("<answer>7</answer><reasoning>a</reasoning>", False, True),
        ("<answer>7</answer>", False, True),
        ("<reasoning>a</reasoning>", False, False),
        ("<reasoning>a</reasoning><answer>7</answer><answer>7</answer>", False, True),
        ("<reasoning>a</reasoning><reasoning>b</reasoning><answer>7</answer>", False, True),
        ("<reasoning>a<answer>7</answer></reasoning>", False, True),
        ("<reasoning>a<answer>7</reasoning></answer>", False, True),
        ("<reasoning>a</reasoning><answer>7", False, False),
        ("<reasoning>a<answer>7</answer>", False, True),
        ("a</reasoning><answer>7</answer>", False, True),
        ("<reasoning>a</reasoning></answer>7<answer>", False, False),
        ("<reasoning>a</reasoning><answer>7</answer></answer></answer>", False, True),
        ("<reasoning>a</reasoning><answer></answer>", False, False),
        ("<reasoning> \n</reasoning><answer>7</answer>", False, True),
        ("<Reasoning>a</Reasoning><Answer>7</Answer>", False, False),
        ("7", False, False),
        ("", False, False),
    ],
)
def test_format(text: str, format_ok: bool, has_answer: bool) -> None:
    """The format is one reasoning followed by one answer; an answer is text in answer tags."""
    measures = measure(text)

    assert (format_ok, has_answer) == (measures["format_ok"], measures["has_answer"])


def test_repeated_closing_tags() -> None:
    """Repeating the closing answer tag breaks the format and counts as repetition."""
    measures = measure(GOOD.strip() + "</answer>" * 20, true_answer="7")

    assert (False, True) == (measures["format_ok"], measures["correct"])
    assert 26 == measures["words"]
    assert 18 / 24 == measures["repetition"]


def test_other_tags() -> None:
    """The names of the tags are options."""
    options = {"reasoning_tag": "think", "answer_tag": "final.answer"}
    text = "<think>a</think><final.answer>7</final.answer>"

    assert measure(text, options, true_answer=7)["correct"]
    assert measure(text, options)["format_ok"]
    assert not measure(text)["has_answer"]


@pytest.mark.parametrize(
    ("text", "repetition", "distinct_2"),
    [
        ("", None, None),
        ("a", None, None),
        ("a b", None, 1.0),
        ("a b c", None, 1.0),
        ("a b c d", 0.0, 1.0),
        ("a a a a", 0.5, 1 / 3),
        ("a b c a b c a b c", 4 / 7, 3 / 8),
        ("a b c  a\nb\tc", 0.25, 0.6),
    ],
)
def test_repetition(text: str, repetition: float | None, distinct_2: float | None) -> None:
    """Repetition counts trigrams that occurred before; it is null for texts with too few words."""
    measures = measure(text)

    assert (repetition, distinct_2) == (measures["repetition"], measures["distinct_2"])


def test_long_text() -> None:
    """Words are counted on the beginning only; length, format and answer on the whole text."""
    text = f"<reasoning>{'a b ' * 1000}</reasoning><answer>7</answer>"
    measures = measure(text, {"max_characters": 100}, true_answer=7)

    assert (len(text), 46) == (measures["characters"], measures["words"])
    assert measures["format_ok"]
    assert measures["correct"]


@pytest.mark.parametrize("name", ["ngram", "max_characters"])
def test_invalid_options(name: str) -> None:
    """An n-gram of no words and a text of no characters are rejected."""
    options: dict[str, Any] = {name: 0}
    with pytest.raises(ValueError, match=f"{name} must be above 0, not 0"):
        MeasureGenerations(**options)


texts = st.one_of(
    st.text(),
    st.lists(
        st.sampled_from(
            ["<reasoning>", "</reasoning>", "<answer>", "</answer>", " ", "7", "a", "$1,000"]
        )
    ).map("".join),
    st.lists(st.sampled_from("abc")).map(" ".join),
)
answers = st.none() | st.text() | st.integers() | st.floats() | st.sampled_from(["7", "1000"])


@given(texts, answers, st.integers(1, 4))
@settings(max_examples=300, deadline=None)
def test_any_text(text: str, true_answer: Any, ngram: int) -> None:
    """For any text, the shares are within their ranges, and the measures are consistent."""
    event: dict[str, Any] = {"event": "model_output", "model_output": text}
    event["true_answer"] = true_answer
    measures = quality(MeasureGenerations(ngram=ngram)(None, "info", event))

    assert len(text) == measures["characters"]
    assert (measures["repetition"] is not None) == (measures["words"] > ngram)
    assert (measures["distinct_2"] is not None) == (measures["words"] > 1)
    assert 0 <= (measures["repetition"] or 0) < 1
    assert 0 < (measures["distinct_2"] or 1) <= 1
    assert measures["has_answer"] or not measures["format_ok"]
    assert measures["has_answer"] or not measures.get("correct")
    if ngram == 2 and measures["words"] > 2:
        assert 1 - measures["distinct_2"] == measures["repetition"]


FIELDS = ("model_output", "true_answer", "answer", "truncated", "generation", "mode", "step")

any_value: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, 3, 10**5000, -0.5, float("nan"), "", "7", GOOD, [1], {}]
)


@given(
    st.lists(
        st.fixed_dictionaries(
            {"event": st.sampled_from(["model_output", "generation", "reward", None])},
            optional=dict.fromkeys(FIELDS, any_value),
        )
    )
)
@settings(max_examples=200, deadline=None)
def test_any_events(events: list[dict[str, Any]]) -> None:
    """No event makes the processor raise or loses a field; a null answer may be filled in."""
    processor = MeasureGenerations()
    for event in events:
        before = {k: v for k, v in event.items() if (k, v) != ("answer", None)}
        after = processor(None, "info", event)
        assert {name: after[name] for name in before} == before


def test_other_types_pass_unchanged() -> None:
    """A text in an event of another type isn't measured."""
    with capture_events(MeasureGenerations()) as events:
        logflume.get_logger().info("training", model_output=GOOD)

    assert {} == quality(only(events))


def log_rollouts(*batches: Rollouts) -> list[Event]:
    """Log batches as `attach` does, with their events interleaved."""
    with capture_events(MeasureGenerations()) as events:
        waiting = [events_of(batch) for batch in batches]
        while waiting:
            for iterator in list(waiting):
                item = next(iterator, None)
                if item is None:
                    waiting.remove(iterator)
                else:
                    logger, event, values = item
                    logflume.get_logger(logger).info(event, **values)
    return own(events)


def events_of(batch: Rollouts) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield logger, type and fields of each event of a batch."""
    for logger, event, columns in columns_by_type(batch):
        for row in zip(*columns.values(), strict=True):
            yield logger, event, dict(zip(columns, row, strict=True))


def rollouts(completions: list[str], **values: Any) -> Rollouts:
    """Return a batch in which the true answer is 7 and every other completion is truncated."""
    count = len(completions)
    where = {"generation": 0, "global_step": 0, "step": 1, "mode": "train", **values}
    return Rollouts(
        prompts=["3+4?"] * count,
        completions=completions,
        names=["zero"],
        table=[[0.0]] * count,
        truncated=[row % 2 == 0 for row in range(count)],
        columns={"answer": ["7"] * count},
        **where,
    )


def test_means_over_a_batch() -> None:
    """The `generation` event of a batch has the means of the measures of its completions."""
    events = log_rollouts(rollouts([GOOD, "a", "a a a a", GOOD.replace("\n7", "\n8")]))
    outputs = [event for event in events if event["event"] == "model_output"]
    means = quality(events[-1])

    assert {f"{name}/mean" for name in COUNTS + SHARES} | {"n"} == means.keys()
    assert 4 == means["n"]
    assert 0.25 == means["correct/mean"]
    assert [0.5] * 3 == [means[f"{n}/mean"] for n in ("format_ok", "has_answer", "truncated")]
    for name in COUNTS:
        values = [quality(event)[name] for event in outputs]
        expected = statistics.fmean(value for value in values if value is not None)
        assert pytest.approx(expected, rel=1e-12) == means[f"{name}/mean"]


@given(st.lists(st.text("ab \n"), min_size=1, max_size=8))
@settings(max_examples=100, deadline=None)
def test_means_over_any_batch(completions: list[str]) -> None:
    """Each mean is over the completions with the measure, and left out if none has it."""
    processor = MeasureGenerations()
    outputs = [
        quality(processor(None, "info", {"event": "model_output", "model_output": text}))
        for text in completions
    ]
    means = quality(processor(None, "info", {"event": "generation"}))

    assert len(completions) == means.pop("n")
    columns = {
        name: [output[name] for output in outputs if output[name] is not None]
        for name in outputs[0]
    }
    expected = {f"{name}/mean": statistics.fmean(v) for name, v in columns.items() if v}
    assert pytest.approx(expected, rel=1e-12) == means


def test_batch_without_true_answers() -> None:
    """If no correctness is known, there is no mean of it."""
    batch = rollouts([GOOD, GOOD])
    batch.columns = {}

    assert "correct/mean" not in quality(log_rollouts(batch)[-1])


def test_interleaved_batches() -> None:
    """Interleaved completions of different modes and generations are averaged separately."""
    events = log_rollouts(
        rollouts([GOOD] * 3, mode="train"),
        rollouts(["a"] * 2, mode="eval"),
        rollouts(["a", GOOD], mode="train", generation=1),
    )
    closing = [event for event in events if event["event"] == "generation"]

    assert {("train", 0): (1.0, 3), ("eval", 0): (None, 2), ("train", 1): (0.5, 2)} == {
        (event["mode"], event["generation"]): (
            event.get("quality/correct/mean"),
            event["quality/n"],
        )
        for event in closing
    }


def test_batch_without_completions() -> None:
    """If the policy selects no completion, there are no means."""
    batch = rollouts([GOOD], keep=lambda *_: [])

    assert {} == quality(log_rollouts(batch)[-1])


def test_a_batch_is_closed_once() -> None:
    """A closed batch is discarded; another one with the same number starts from zero."""
    with capture_events(MeasureGenerations()) as events:
        for text in ("a", GOOD):
            logflume.get_logger("model").info("model_output", generation=0, model_output=text)
            logflume.get_logger("metrics").info("generation", generation=0)
    first, second = (event for event in events if event["event"] == "generation")

    assert (1, 0.0) == (first["quality/n"], first["quality/format_ok/mean"])
    assert (1, 1.0) == (second["quality/n"], second["quality/format_ok/mean"])


def test_batches_that_are_never_closed() -> None:
    """Only the latest few are kept, so memory doesn't grow in a run that never closes batches."""
    with capture_events(MeasureGenerations()) as events:
        for generation in range(50):
            logflume.get_logger("model").info(
                "model_output", generation=generation, model_output="a"
            )
        for generation in range(50):
            logflume.get_logger("metrics").info("generation", generation=generation)
    kept = [e["generation"] for e in own(events) if "quality/n" in e]

    assert list(range(42, 50)) == kept


@pytest.mark.parametrize("values", [{}, {"model_output": None}, {"model_output": ["a", "b"]}])
def test_no_text(values: dict[str, Any]) -> None:
    """An event without a text is unchanged, and doesn't count in its batch."""
    with capture_events(MeasureGenerations()) as events:
        log = logflume.get_logger("model")
        log.info("model_output", generation=0, truncated=True, **values)
        log.info("generation", generation=0)

    assert [{}, {}] == [quality(event) for event in own(events)]
