"""Whatever is logged, the diagnosis neither raises nor finds anything that can't be stored."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logflume.diagnosis.watch import EVENT_TYPES, Diagnosis
from logflume.events.metric_names import METRIC_NAMES
from tests.length import examples

NAMES = st.one_of(
    st.sampled_from([*METRIC_NAMES, "rewards/a", "rewards/b", "rewards/a/mean", "rewards/total"]),
    st.sampled_from(["eval_reward", "eval/loss", "gpu/0/utilization_percent", "weights", "group"]),
    st.sampled_from(["id", "generation", "model_output", "truncated", "policy_version"]),
    st.text(max_size=8),
)
VALUES = st.one_of(
    st.floats(),
    st.integers(),
    st.just(10**400),
    st.none(),
    st.booleans(),
    st.text(max_size=20),
    st.lists(st.one_of(st.floats(), st.none(), st.integers(), st.text(max_size=2)), max_size=9),
    st.dictionaries(st.text(max_size=3), st.floats(), max_size=2),
)
EVENTS = st.builds(
    lambda fields, event, step, mode: {**fields, "event": event, "step": step, "mode": mode},
    st.dictionaries(NAMES, VALUES, max_size=12),
    st.sampled_from([*sorted(EVENT_TYPES), "message"]),
    st.one_of(st.integers(-3, 40), st.none(), st.text(max_size=2), st.floats()),
    st.sampled_from(["train", "train", "eval", None, 7]),
)


@settings(max_examples=examples(25), deadline=None)
@given(st.lists(EVENTS, min_size=1, max_size=12), st.integers(1, 14))
def test_any_events(events: list[dict[str, Any]], times: int) -> None:
    """Events of any names, values, steps and modes, again and again, don't raise."""
    failures: list[str] = []
    diagnosis = Diagnosis(on_failure=failures.append)
    for _ in range(times):
        for event in events:
            for finding in diagnosis.observe(event):
                assert finding.fields["message"]
                json.dumps(finding.fields)
    assert not failures


LEVELS = st.one_of(
    st.floats(-1e300, 1e300),
    st.sampled_from([0.0, -0.0, 1.0, 1e-320, 5e-324, -1e-12, float("nan"), float("inf")]),
)


@settings(max_examples=examples(40), deadline=None)
@given(
    st.dictionaries(st.sampled_from(sorted(METRIC_NAMES)), st.tuples(LEVELS, LEVELS), min_size=1),
    st.integers(5, 120),
)
def test_any_levels(metrics: dict[str, tuple[float, float]], onset: int) -> None:
    """Metrics that change from any level to any other one don't raise, for 150 reports."""
    failures: list[str] = []
    diagnosis = Diagnosis(on_failure=failures.append)
    for number in range(150):
        report = {name: levels[number >= onset] for name, levels in metrics.items()}
        for event in ("training", "evaluation"):
            for finding in diagnosis.observe({"event": event, "step": number % 70, **report}):
                json.dumps(finding.fields)
    assert not failures


RAGGED = st.dictionaries(
    st.sampled_from([*sorted(METRIC_NAMES), "rewards/correct/mean", "rewards/b/mean", "gpu/0/x"]),
    st.tuples(
        st.sampled_from(["training", "reward", "generation", "evaluation", "system"]),
        st.integers(1, 7),  # it is in each event of this type, or in each second, third ... one
        st.integers(0, 40),  # from this step on
        st.sampled_from([(1.0, 1.0), (1.3, 0.01), (0.01, 9.0), (0.0, 1.0), (1.0, 0.0)]),
        st.integers(5, 55),  # the step from which on it has the other level
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=examples(60), deadline=None)
@given(RAGGED, st.integers(0, 60), st.randoms(use_true_random=False))
def test_ragged_series(metrics: dict[str, Any], steps: int, noise: Random) -> None:
    """Metrics that begin late, are missing in reports, or are in events of several types."""
    failures: list[str] = []
    diagnosis = Diagnosis(on_failure=failures.append)
    for step in range(steps):
        events: dict[str, dict[str, Any]] = {"training": {}, "reward": {}}
        for name, (event_type, period, start, levels, onset) in metrics.items():
            if step >= start and step % period == 0:
                value = levels[step >= onset] * noise.uniform(0.9, 1.1)
                events.setdefault(event_type, {})[name] = value
        for event_type, fields in events.items():
            diagnosis.observe({"event": event_type, "step": step, **fields})
    assert not failures
    assert diagnosis.reports <= steps


@pytest.mark.parametrize("metric", sorted(METRIC_NAMES))
def test_a_loop_that_logs_rewards_apart(metric: str) -> None:
    """A loop that logs one metric and, apart from it, the rewards of each step."""
    failures: list[str] = []
    diagnosis = Diagnosis(on_failure=failures.append)
    for step in range(90):
        diagnosis.observe({"event": "training", "step": step, metric: 1.3})
        diagnosis.observe({"event": "reward", "step": step, "rewards/total/mean": 0.5})
    assert not failures
    assert diagnosis.reports == 90


def test_a_metric_of_every_second_report() -> None:
    """The entropy is in every second report only, so 30 values are from 60 reports."""
    failures: list[str] = []
    diagnosis = Diagnosis(on_failure=failures.append)
    for step in range(200):
        entropy = {"entropy": 1.3} if step % 2 else {}
        diagnosis.observe({"event": "training", "step": step, "loss": 0.1, **entropy})
    assert not failures
