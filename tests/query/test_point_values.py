"""Property test: the values of many points at once are those that `aggregate` returns for each."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logflume.query.point_values import PointValues
from logflume.values.aggregates import aggregate

NUMBERS = st.one_of(
    st.none(),
    st.floats(-1e6, 1e6).map(lambda value: round(value, 3)),
    st.sampled_from([0.0, math.inf, -math.inf, math.nan, 1e308]),
)
COUNTS = st.one_of(st.none(), st.integers(0, 9))
FIELDS: dict[str, tuple[Any, Any]] = {
    "loss": (NUMBERS, pa.float64()),
    "num_tokens": (NUMBERS, pa.float64()),
    "n": (COUNTS, pa.int64()),
    "num_generations": (COUNTS, pa.int64()),
    "groups": (COUNTS, pa.int64()),
    "frac_all_correct": (NUMBERS, pa.float64()),
    "rewards/total": (COUNTS, pa.int64()),
    "rewards/f": (COUNTS, pa.int64()),
    "rewards/f/n": (COUNTS, pa.int64()),
    "rewards/f/mean": (NUMBERS, pa.float64()),
    "rewards/f/std": (NUMBERS.map(lambda v: None if v is None else abs(v)), pa.float64()),
    "rewards/f/min": (NUMBERS, pa.float64()),
    "rewards/f/max": (NUMBERS, pa.float64()),
    "rewards/f/frac_zero_std": (NUMBERS, pa.float64()),
    "quality/words/mean": (NUMBERS, pa.float64()),
    "quality/n": (COUNTS, pa.int64()),
}
EVENT = st.fixed_dictionaries(
    {"point": st.integers(0, 3), "rank": st.integers(0, 2), "attempt": st.integers(0, 1)}
    | {name: values for name, (values, _) in FIELDS.items()}
)


@settings(max_examples=150, deadline=None)
@given(st.lists(EVENT, min_size=1, max_size=12), st.sampled_from(["training", "reward"]))
def test_values_of_any_points(events: list[dict[str, Any]], event_type: str) -> None:
    """Each field of each point has the value of the single aggregate."""
    by_point: defaultdict[int, list[dict[str, Any]]] = defaultdict(list)
    for event in events:
        by_point[event["point"]].append(event)
    numbers = {point: number for number, point in enumerate(by_point)}
    schema = pa.schema([(name, kind) for name, (_, kind) in FIELDS.items()])
    columns = pa.Table.from_pylist(events, schema=schema.append(pa.field("rank", pa.int64())))
    values = PointValues(
        event_type,
        columns,
        np.array([numbers[event["point"]] for event in events]),
        np.array([event["attempt"] for event in events]),
        lambda _event_type, rows: rows,
    )
    for name in FIELDS:
        expected = [aggregate(event_type, name, of_point) for of_point in by_point.values()]
        actual = values.aggregate(name).to_pylist()
        for one, other in zip(actual, expected, strict=True):
            wanted = None if other is None else pytest.approx(other, nan_ok=True, abs=1e-6)
            assert one == wanted, (name, actual, expected)
