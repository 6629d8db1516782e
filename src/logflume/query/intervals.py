"""Bootstrap confidence intervals of means over groups that are clustered by prompt."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from logflume.query.groupings import Array

__all__ = ["Clusters", "bootstrap_intervals"]

_CONFIDENCE = 0.95
_RESAMPLES = 1_000
_MAX_VALUES = 2_000_000
"""Values that are computed at once, so that they fit into the cache of a CPU."""

_UNSEEN_WEIGHT = 0.05
"""Weight of each unseen prompt, as a share of that of a prompt. Chosen by simulation."""

_NORMAL = NormalDist()


class Clusters(NamedTuple):
    """The prompts that several means are over. Each array has one value for each prompt and mean.

    Attributes:
        mean: The number of the mean, ascending from 0.
        total: The sum over the groups of the prompt.
        size: The number of its groups.
    """

    mean: Array
    total: Array
    size: Array


def bootstrap_intervals(clusters: Clusters, *, seed: int, is_share: bool) -> Array:
    """Return the bounds of the 95% confidence interval of each mean over groups.

    The prompts are resampled, each with all its groups, because groups of one prompt are alike. The
    bounds are the bias-corrected and accelerated percentiles (BCa: Efron 1987) of 1,000 resamples,
    at the levels of Student's t distribution ("expanded percentiles": Hesterberg 2015,
    https://doi.org/10.1080/00031305.2015.1089789), without which intervals of few prompts are too
    narrow.

    Few samples contain the rare prompt that differs from all others. The resamples of a share
    therefore also draw from two unseen prompts, one with the value 0 and one with 1, each with the
    weight of 1/20 prompt. Without these, intervals near 0 and 1 contain the true value too rarely;
    others hardly change (`python -m tests.benchmarks.interval_coverage`).

    The bounds are NaN if there is only one prompt, or if all prompts have the same value. If that
    value is 0 or 1, the bounds of a share are the exact ones (Clopper and Pearson 1934), because
    equal values have no spread.

    Args:
        clusters: The prompts.
        seed: Seed of the resamples. Means over equally many prompts share them, so that an interval
            doesn't depend on which other means there are.
        is_share: Whether all values are between 0 and 1.

    Returns:
        Shape [means, 2].
    """
    counts = np.bincount(clusters.mean)
    starts = np.cumsum(counts) - counts
    bounds = np.full((len(counts), 2), np.nan)
    for count in np.unique(counts[counts > 0]).tolist():
        means = np.flatnonzero(counts == count)
        for some in np.array_split(means, -(-len(means) * _RESAMPLES // _MAX_VALUES)):
            rows = starts[some][:, None] + np.arange(count)
            totals, sizes = clusters.total[rows], clusters.size[rows].astype(float)
            if count > 1:
                bounds[some] = _interval(totals, sizes, seed, unseen=2 if is_share else 0)
            if is_share:
                _bound_extremes(bounds, some, totals, sizes)
    return bounds


def _interval(totals: Array, sizes: Array, seed: int, unseen: int) -> Array:
    """Return the BCa interval of each mean. Shape [means, 2].

    Args:
        totals: The sums over the groups of each prompt. Shape [means, prompts].
        sizes: Their numbers of groups.
        seed: Seed of the resamples.
        unseen: The number of unseen prompts, 0 or 2.
    """
    count = totals.shape[1]
    mean = totals.sum(1) / sizes.sum(1)
    # Often each prompt has one group. Then all resamples have equally many.
    is_even = bool((sizes == sizes[0, 0]).all())
    usual = sizes.mean(1, keepdims=True)
    drawn_totals = np.hstack([totals, 0 * usual, usual][: 1 + unseen])
    drawn_sizes = np.hstack([sizes, usual, usual][: 1 + unseen])
    resampled = np.concatenate(
        [
            drawn_totals @ weights / (count * sizes[0, 0] if is_even else drawn_sizes @ weights)
            for weights in _resampled_weights(count, unseen, seed)
        ],
        axis=1,
    )
    resampled.sort(axis=1)
    residuals = totals - mean[:, None] * sizes
    spread = (residuals**2).sum(1)
    tolerance = 1e-9 * (np.abs(totals).sum(1) + 1e-300) / sizes.sum(1)
    below = (resampled < (mean - tolerance)[:, None]).mean(1)
    at_most = (resampled <= (mean + tolerance)[:, None]).mean(1)
    with np.errstate(invalid="ignore", divide="ignore"):  # without any spread, it is NaN
        acceleration = (residuals**3).sum(1) / (6 * spread**1.5)
    return _percentiles(resampled, (below + at_most) / 2, acceleration, count)


def _percentiles(resampled: Array, below: Array, acceleration: Array, count: int) -> Array:
    """Return the adjusted percentiles of sorted resampled means. Shape [means, 2].

    Args:
        resampled: Shape [means, resamples].
        below: The share of the resamples below the mean.
        acceleration: The skewness of the prompts, as a share of the standard error.
        count: The number of prompts.
    """
    edge = 0.5 / _RESAMPLES
    bias = np.array([_NORMAL.inv_cdf(min(max(p, edge), 1 - edge)) for p in below.tolist()])
    expanded = np.sqrt(count / (count - 1)) * _student_quantile((1 + _CONFIDENCE) / 2, count - 1)
    bounds = np.empty((len(resampled), 2))
    last = resampled.shape[1] - 1
    for side, quantile in enumerate((-expanded, expanded)):
        shifted = bias + quantile
        adjusted = bias + shifted / (1 - acceleration * shifted)
        # Beyond the pole of the adjustment it has the wrong sign: take the extreme resample.
        adjusted = np.where(1 - acceleration * shifted <= 0, np.copysign(40.0, quantile), adjusted)
        is_known = ~np.isnan(adjusted)
        adjusted = np.where(is_known, adjusted, 0.0)
        positions = np.array([_NORMAL.cdf(z) for z in adjusted.tolist()]) * last
        lower = np.floor(positions).astype(int)
        rows = np.arange(len(resampled))
        low, high = resampled[rows, lower], resampled[rows, np.minimum(lower + 1, last)]
        bounds[:, side] = np.where(is_known, low + (positions - lower) * (high - low), np.nan)
    return bounds


def _bound_extremes(bounds: Array, means: Array, totals: Array, sizes: Array) -> None:
    """Set the bounds of means whose prompts are all 0, or all 1."""
    one_sided = 1 - ((1 - _CONFIDENCE) / 2) ** (1 / totals.shape[1])
    is_none, is_all = (totals == 0).all(1), (totals == sizes).all(1)
    bounds[means[is_none]] = 0.0, one_sided
    bounds[means[is_all]] = 1 - one_sided, 1.0


def _resampled_weights(count: int, unseen: int, seed: int) -> Iterator[Array]:
    """Yield how often each prompt is in each of some resamples, then each unseen prompt.

    Shape [prompts, resamples].
    """
    rng = np.random.default_rng([seed, count])
    size = max(1, min(_RESAMPLES, _MAX_VALUES // count))
    for first in range(0, _RESAMPLES, size):
        some = min(size, _RESAMPLES - first)
        drawn = rng.integers(count, size=(some, count))
        # Draws are independent, so the unseen prompts may as well take the first ones.
        reach = np.zeros((some, 1), int)
        for prompt in range(unseen):
            share = _UNSEEN_WEIGHT / (count + unseen * _UNSEEN_WEIGHT)
            end = np.minimum(reach + rng.binomial(count, share, (some, 1)), count)
            position = np.arange(count)
            drawn[(position >= reach) & (position < end)] = count + prompt
            reach = end
        width = count + unseen
        numbers = (drawn + np.arange(some)[:, None] * width).ravel()
        weights = np.bincount(numbers, minlength=some * width)
        yield weights.reshape(some, width).T.astype(float)


def _student_quantile(level: float, degrees: int) -> float:
    """Return a quantile of Student's t distribution (Abramowitz and Stegun 26.7.5).

    The error is 11% for one degree of freedom, and below 1% for more.

    >>> round(_student_quantile(0.975, 7), 3)
    2.365
    """
    z = _NORMAL.inv_cdf(level)
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return float(sum(term / degrees**power for power, term in enumerate(terms)))
