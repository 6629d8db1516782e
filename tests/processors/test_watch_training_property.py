"""`watch_training`: no errors on any input, and silence about what can't be judged."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from logflume.diagnosis.completion_measures import FIELDS
from logflume.events.metric_names import METRIC_NAMES
from logflume.processors.watch_training import WatchTraining
from logflume.testing import capture_events
from tests.length import examples
from tests.processors.watching import WINDOW, Report, reports, rising, signals


def noise(seed: int, level: float, spread: float, count: int) -> list[float]:
    """Return normally distributed values, always the same for the same seed."""
    rng = random.Random(seed)
    return [level + rng.gauss(0, spread) for _ in range(count)]


@settings(max_examples=examples(25), deadline=None)
@given(
    seed=st.integers(0, 2**32),
    gain=st.floats(0, 3),
    spread=st.floats(0.001, 0.3),
    kl_at_end=st.floats(0, 0.4),
)
def test_noise_and_genuine_gains_raise_no_alert(
    seed: int, gain: float, spread: float, kl_at_end: float
) -> None:
    """Noise around constants, and a reward that rises with its correctness, raise no alert.

    A reward that hardly rises is a plateau, which is information.
    """
    count = 8 * WINDOW
    climb = rising(0, gain, count)
    correctness = [a + b for a, b in zip(climb, noise(seed, 0.5, spread, count), strict=True)]
    other = noise(seed + 3, 0.4, spread / 5, count)
    series = reports(
        loss=noise(seed + 1, 0.0, spread, count),
        rewards__correctness__mean=correctness,
        rewards__correctness__std=noise(seed + 2, 1.0, spread / 5, count),
        reward=[c + f for c, f in zip(correctness, other, strict=True)],
        reward_std=[max(0.0, 1.0 - c / 3) for c in climb],
        completions__clipped_ratio=[abs(v) for v in noise(seed + 4, 0.1, 0.1, count)],
        frac_reward_zero_std=[abs(v) for v in noise(seed + 5, 0.3, 0.2, count)],
        entropy=[max(0.0, v) for v in noise(seed + 6, 1.0, spread, count)],
        kl=[v * (1 + spread * math.sin(n)) for n, v in enumerate(rising(0, kl_at_end, count))],
    )
    is_flat = gain < 0.3
    assert set(signals(series)) <= ({"reward_plateau"} if is_flat else set())


ANY_VALUE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=2**1100, max_value=2**1200),
    st.floats(),
    st.text(max_size=5),
    st.lists(st.one_of(st.none(), st.floats(), st.text(max_size=2)), max_size=6),
    st.dictionaries(st.sampled_from(["a", "correctness"]), st.floats(), max_size=2),
)
NAMES = [
    *METRIC_NAMES,
    *FIELDS,
    "rewards/correctness/mean",
    "rewards/correctness/std",
    "rewards/total",
    "rewards/a",
    "rewards/b",
    "weights",
    "num_generations",
    "mode",
    "gpu/0/utilization_percent",
    "process_memory_bytes",
]
TYPES = ["training", "reward", "generation", "evaluation", "system", "model_output", "run_started"]
EVENTS = st.tuples(
    st.sampled_from(TYPES), st.dictionaries(st.sampled_from(NAMES), ANY_VALUE, max_size=8)
)


@settings(max_examples=examples(60), deadline=None)
@given(st.lists(EVENTS, max_size=15), st.integers(1, 40))
def test_any_values(events: list[tuple[str, Report]], repeats: int) -> None:
    """The processor returns any event unchanged and never raises."""
    with capture_events():
        processor = WatchTraining()
        for event_type, fields in events * repeats:
            event = {"event": event_type, **fields}
            assert event is processor(None, "info", event)


@settings(max_examples=examples(20), deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from(FIELDS), ANY_VALUE, max_size=8), min_size=1))
def test_completions_by_column(outputs: list[Report]) -> None:
    """Completions of any values pass by column as well, and none of them raises."""
    with capture_events():
        columns: dict[str, Sequence[Any]] = {
            name: [output.get(name) for output in outputs] for name in FIELDS
        }
        columns["event"] = ["model_output"] * len(outputs)
        assert columns is WatchTraining().process_columns(columns)
