"""`measure_generations`: the means over a batch, in its `generation` event."""

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
from logflume.training.rollouts import Rollouts
from tests.event_helpers import own

GOOD = "<reasoning>\n3+4=7\n</reasoning>\n<answer>\n7\n</answer>\n"

COUNTS = ("characters", "words", "repetition", "distinct_2")
SHARES = ("format_ok", "has_answer", "correct", "truncated")


def quality(event: Event) -> dict[str, Any]:
    """Return the measures in an event by their short names."""
    prefix = "quality/"
    return {k.removeprefix(prefix): v for k, v in event.items() if k.startswith(prefix)}


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
    for logger, event, columns in batch.columns_by_type():
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
