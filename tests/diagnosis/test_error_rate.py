"""The thresholds: they follow from the wanted rate of false alarms, and noise stays below them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from logflume.diagnosis.error_rate import PROBABILITY, chance_of_run, critical_value
from logflume.diagnosis.series import Series, median
from tests.diagnosis.curves import Curve, heavy_tailed, noise
from tests.length import examples


@pytest.mark.parametrize(("freedom", "expected"), [(3, 76.1), (8, 10.73), (30, 5.55), (200, 4.69)])
def test_quantiles_of_student(freedom: int, expected: float) -> None:
    """The critical value is the quantile of Student's t distribution at 0.01 in 4,000 tests."""
    assert expected == pytest.approx(critical_value(freedom), abs=0.02)


def test_several_conditions_share_the_probability() -> None:
    """Two independent changes have to be significant at the square root of the probability."""
    assert 3.0 < critical_value(40, conditions=2) < critical_value(40)


@pytest.mark.parametrize(("length", "earlier"), [(10, 5), (10, 30), (25, 10)])
def test_a_run_of_values_of_a_new_kind(length: int, earlier: int) -> None:
    """Without earlier values of its kind, each order of all values is as probable as another."""
    orders = math.comb(earlier + length + 1, length)
    assert 1 / orders == pytest.approx(chance_of_run(length, earlier, 0))


def test_runs_are_as_rare_as_their_probability_says() -> None:
    """Of values of two kinds, hardly any run of ten is less probable than a false alarm."""
    rng = np.random.default_rng(3)
    shares = rng.random(20_000)
    earlier = rng.binomial(40, shares)
    is_run = rng.random(20_000) < shares**10
    chances = [chance_of_run(10, 40, int(of_kind)) for of_kind in earlier[is_run]]
    assert sum(chance < 1e-3 for chance in chances) <= 2 * 1e-3 * 20_000
    assert min(chances) > PROBABILITY


@pytest.mark.parametrize("correlation", [0.0, 0.3, 0.6])
def test_noise_is_not_significant(correlation: float) -> None:
    """Of eighteen thousand comparisons of noise with noise, at most one is significant."""
    rng = np.random.default_rng(0)
    runs = examples(200)
    assert sum(_significant(noise(rng, 1_000, correlation)) for _ in range(runs)) <= runs / 200


def test_heavy_tails_are_not_significant() -> None:
    """Single outliers don't make a change significant, because levels are medians."""
    rng = np.random.default_rng(1)
    assert 0 == sum(_significant(heavy_tailed(rng, 1_000, 2.0)) for _ in range(200))


def _significant(values: Curve) -> int:
    """Count the blocks that differ significantly from the ten before."""
    series = Series()
    count = 0
    for number, value in enumerate(values.tolist()):
        if series.append(value, number) and len(series.blocks) > 10:
            change = series.blocks[-1].level - series.mean(10, before=1)
            count += series.is_significant(change, 1, 10)
    return count


def test_a_drift_is_no_noise() -> None:
    """A metric that drifts for most of a run has at most twice the noise of one that does not."""
    values = noise(np.random.default_rng(2), 100)
    drift = np.maximum(0, np.arange(100) - 40) * 0.2
    flat, drifting = Series(), Series()
    for number, (value, moved) in enumerate(zip(values, values + drift, strict=True)):
        flat.append(float(value), number)
        drifting.append(float(moved), number)
    assert drifting.noise <= 2 * flat.noise


def test_memory_is_bounded() -> None:
    """A series of many values keeps a bounded number of them, and its first and last blocks."""
    series = Series()
    for number in range(30_000):
        series.append(float(number), number)
    assert len(series.blocks) <= 600
    assert len(series.tail) <= 50
    assert (9, 29_999) == (series.blocks[0].end, series.blocks[-1].end)
    assert 29_999.0 == series.last
    assert 0.0 == series.lowest


def test_constant_values_are_counted() -> None:
    """The values that equal the last one are counted across blocks."""
    series = Series()
    for value in [1.0] * 13 + [2.0] * 27:
        series.append(value, 0)
    assert 27 == series.constant
    series.append(1.0, 0)
    assert 1 == series.constant


def test_median() -> None:
    """The lower of the two values in the middle is the median of an even number."""
    assert [2.0, 2.0] == [median([3.0, 1.0, 2.0]), median([4.0, 3.0, 2.0, 1.0])]
