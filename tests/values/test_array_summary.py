"""The summary of large arrays, compared with NumPy's own functions."""

from __future__ import annotations

import math
import sys
import warnings
from array import array
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

import logflume
from logflume.testing import capture_events
from logflume.values import arrays
from logflume.values.array_summary import BUCKETS, summarize_array, summarize_values
from logflume.values.arrays import MAX_ELEMENTS
from tests.event_helpers import fields, only

STATISTICS = ("min", "max", "mean", "std")
COUNT = 2 * MAX_ELEMENTS


def log(**values: Any) -> dict[str, Any]:
    """Log the values as one event and return its fields."""
    with capture_events() as events:
        logflume.get_logger().info("probe", **values)
    return fields(only(events))


def check(summary: dict[str, Any], values: Any) -> None:
    """Compare a summary with NumPy's results for the finite values, in long doubles."""
    finite = values[np.isfinite(values)].astype(np.longdouble)

    assert len(values) - len(finite) == summary["nonfinite"]
    if not len(finite):
        assert [None] * 4 == [summary[name] for name in STATISTICS]
        assert not any(summary["histogram"])
        return
    spread = float(finite.max() / 2 - finite.min() / 2)
    expected = (finite.min(), finite.max(), finite.mean(), finite.std())
    for name, value in zip(STATISTICS, expected, strict=True):
        rounding = 1e-9 * spread + 1e-15 * float(abs(finite).max())
        assert float(value) == pytest.approx(summary[name], rel=1e-9, abs=rounding)
    assert (BUCKETS, len(finite)) == (len(summary["histogram"]), sum(summary["histogram"]))
    assert summary["min"] <= summary["mean"] <= summary["max"]


floats = st.floats(allow_subnormal=False) | st.integers(-5, 5).map(float)


@settings(max_examples=60, deadline=None)
@example(few=[0.0, 6.5e-158])
@example(few=[0.1, 0.1, 0.1])
@example(few=[1.7e308, -1.7e308, math.nan])
@given(few=st.lists(floats, min_size=1, max_size=40))
def test_any_numbers(few: list[float]) -> None:
    """NumPy, torch and lists give the same summary of any numbers, and no warning."""
    values = np.array(few)
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        by_numpy = summarize_array(np, values)()
    by_torch = summarize_array(torch, torch.tensor(values))()
    of_list = summarize_values(few, values.shape, values.dtype)

    for summary in (by_numpy, by_torch, of_list):
        check(summary, values)
    assert by_numpy["histogram"] == by_torch["histogram"] == of_list["histogram"]


def test_histogram() -> None:
    """The buckets have equal width from the minimum to the maximum, as those of NumPy."""
    values = np.random.default_rng(0).normal(size=COUNT)
    expected, _ = np.histogram(values, bins=BUCKETS)

    assert expected.tolist() == log(x=values)["x/histogram"]


@pytest.mark.parametrize(
    "value",
    [
        np.arange(COUNT, dtype=np.uint8),
        np.arange(COUNT).reshape(64, -1)[:, ::-1],
        np.ma.masked_greater(np.arange(float(COUNT)), 9),
        torch.arange(COUNT, dtype=torch.bfloat16).reshape(2, -1).t(),
        torch.ones(COUNT, dtype=torch.bool),
        torch.rand(COUNT, requires_grad=True),
        array("d", range(COUNT)),
        memoryview(array("f", range(COUNT))),
    ],
    ids=lambda value: f"{type(value).__name__}-{getattr(value, 'dtype', '')}",
)
def test_arrays_of_every_type(value: Any) -> None:
    """Any array of numbers has all fields of the summary, in the same order."""
    values = value.float().detach().numpy() if isinstance(value, torch.Tensor) else value
    numbers = np.ma.filled(np.ma.asarray(values).astype(float), np.nan).ravel()
    event = log(x=value)

    assert ["shape", "dtype", "n", "nonfinite", *STATISTICS, "histogram"] == [
        name.removeprefix("x/") for name in event
    ]
    assert (COUNT, event["x/shape"]) == (event["x/n"], list(np.shape(values)))
    check({name.removeprefix("x/"): item for name, item in event.items()}, numbers)


@pytest.mark.parametrize("dtype", ["datetime64[s]", "complex64", object, "U3"])
def test_large_arrays_of_other_values(dtype: Any) -> None:
    """A large array of anything but numbers has its shape, type and size only."""
    event = log(x=np.ones(COUNT, "int64").astype(dtype))

    assert {"x/shape": [COUNT], "x/dtype": str(np.dtype(dtype)), "x/n": COUNT} == event


@pytest.mark.parametrize("make", [np.zeros, torch.zeros])
def test_values_at_the_time_of_the_call(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The summary is of the values at the call, whether they are copied or summarized there."""
    small, large = make(COUNT), make(4 * COUNT)
    monkeypatch.setattr(arrays, "MAX_COPIED_BYTES", small.nbytes)
    with capture_events() as events:
        logflume.get_logger().info("probe", small=small, large=large)
        small[:] = large[:] = 1

    assert (0.0, 0.0) == (only(events)["small/max"], only(events)["large/max"])


def test_without_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    """An array of the standard library is summarized without NumPy, which is not imported."""
    value = array("d", [0.5, math.nan] * COUNT)
    with_numpy = log(x=value)
    monkeypatch.delitem(sys.modules, "numpy")

    assert with_numpy == {**log(x=value), "x/dtype": "float64"}
    assert "numpy" not in sys.modules
