"""Property test: metrics by step compared with values computed from the logged lists."""

from __future__ import annotations

import math
import tempfile
from collections import defaultdict
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import logflume
from tests.query.independent import journaled
from tests.query.training_run import start

NUMBERS = st.floats(-1e6, 1e6).map(lambda value: round(value, 3))
GROUPS = st.lists(st.lists(st.sampled_from([0.0, 0.5, 1.0, None]), min_size=2, max_size=2))
EVENTS = st.tuples(
    st.sampled_from(["training", "evaluation", "reward"]),
    st.sampled_from([None, 1, 2]),
    st.sampled_from([None, "train", "eval"]),
    NUMBERS,
    GROUPS.map(lambda groups: [value for group in groups for value in group]),
)
ATTEMPTS = st.lists(
    st.dictionaries(st.sampled_from(["0", "1"]), st.lists(EVENTS, max_size=6), min_size=1),
    min_size=1,
    max_size=2,
)


WITH_AND_WITHOUT_MODE: list[dict[str, list[Any]]] = [
    {"0": [("reward", 1, None, 0.0, [0.0, 0.0])], "1": []},
    {"1": [("reward", 1, "train", 0.0, [])]},
]
"""An event without a mode, and later an empty one of training, which is the same point."""


@settings(max_examples=40, deadline=None)
@given(ATTEMPTS)
@example(WITH_AND_WITHOUT_MODE)
def test_points_of_any_run(attempts: list[dict[str, list[Any]]]) -> None:
    """Each metric of each step is the aggregate of all values that its events stand for."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as environment:
        for events_by_rank in attempts:
            for rank, events in sorted(events_by_rank.items()):
                environment.setenv("RANK", rank)
                run = start(Path(folder))
                for event in events:
                    log(*event)
                logflume.shutdown()
        opened = logflume.open_run(run.folder)
        points = current_points(journaled(run.folder))
        for event_type, expected in (("training", numbers), ("reward", statistics)):
            rows = opened.metrics(wide=True, events=event_type).to_pylist()
            actual = {(row.pop("step"), row.pop("mode")): row for row in rows}
            for key, by_rank in points[event_type].items():
                for name, value in expected(by_rank).items():
                    found = actual.get(key, {}).get(name)
                    assert found == (None if value is None else pytest.approx(value)), name
        shown = {(e["step"], e["mode"]) for e in opened.metrics(wide=True).to_pylist()}
        assert shown <= {key for of_type in points.values() for key in of_type}


def log(event_type: str, step: int | None, mode: str | None, number: float, values: Any) -> None:
    logger = logflume.get_logger()
    if event_type == "reward":
        logger.info("reward", step=step, mode=mode, f=values, num_generations=2)
    else:
        logger.info(event_type, step=step, mode=mode, loss=number, num_tokens=number)


Points = dict[str, dict[tuple[int, str], list[dict[str, Any]]]]


def current_points(events: list[dict[str, Any]]) -> Points:
    """Return the events of each type, step and mode, of the latest attempt that logged them."""
    points: Points = {"training": defaultdict(list), "reward": defaultdict(list)}
    points["evaluation"] = defaultdict(list)
    for event in events:
        if event["event"] in points and event["step"] is not None:
            mode = "eval" if event["event"] == "evaluation" else event.get("mode") or "train"
            points[event["event"]][event["step"], mode].append(event)
    for of_type in points.values():
        for key, some in of_type.items():
            latest = max(event["attempt"] for event in some)
            of_type[key] = [event for event in some if event["attempt"] == latest]
    return points


def numbers(events: list[dict[str, Any]]) -> dict[str, float]:
    last = {event["rank"]: event["num_tokens"] for event in events}
    return {
        "loss": fmean(event["loss"] for event in events),
        "num_tokens": fmean(last.values()),
    }


def statistics(events: list[dict[str, Any]]) -> dict[str, float | None]:
    values = [value for event in events for value in event["rewards/f"] if value is not None]
    groups = [
        event["rewards/f"][i : i + 2]
        for event in events
        for i in range(0, len(event["rewards/f"]), 2)
    ]
    is_same = [len(set(group) - {None}) <= 1 for group in groups]
    expected: dict[str, float | None] = {"rewards/f/n": len(values)}
    expected["rewards/f/mean"] = fmean(values) if values else None
    expected["rewards/f/min"] = min(values, default=None)
    expected["rewards/f/max"] = max(values, default=None)
    if any(event.get("rewards/f/std") is not None for event in events):
        expected["rewards/f/std"] = stdev(values)
    if groups:
        expected["rewards/f/frac_zero_std"] = fmean(is_same)
    assert all(value is None or math.isfinite(value) for value in expected.values())
    return expected
