"""Estimates for k completions: closed forms, all subsets, and the coverage of the intervals."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from math import comb
from statistics import fmean

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logflume.query.estimates import Votes, best_weights, majority_at, pass_at
from logflume.query.intervals import Clusters, bootstrap_intervals

VOTES = st.lists(st.tuples(st.integers(1, 4), st.sampled_from([0.0, 0.5, 1.0])), max_size=4)


@given(st.integers(1, 300), st.data())
def test_pass_at(size: int, data: st.DataObject) -> None:
    """pass@k is 1 - C(n - c, k) / C(n, k) for every number of correct completions."""
    k = data.draw(st.integers(1, size))
    expected = [1 - comb(size - c, k) / comb(size, k) for c in range(size + 1)]
    assert expected == pytest.approx(pass_at(size, k), abs=1e-12)


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=8), st.data())
def test_best_at(rewards: list[int], data: st.DataObject) -> None:
    """best@k is the mean of the highest rewards of all subsets."""
    k = data.draw(st.integers(1, len(rewards)))
    expected = fmean(max(subset) for subset in combinations(rewards, k))
    assert expected == pytest.approx(np.dot(best_weights(len(rewards), k), sorted(rewards)))


@settings(deadline=None)
@given(VOTES, st.integers(0, 3), st.data())
def test_majority_at(votes: list[tuple[int, float]], blank: int, data: st.DataObject) -> None:
    """majority@k is the mean over all subsets, of which the most frequent answers share a tie."""
    answers = [i for i, (count, _) in enumerate(votes) for _ in range(count)]
    answers += [-1] * blank
    k = data.draw(st.integers(1, max(len(answers), 1)))
    scores = []
    for subset in combinations(answers, k):
        counts = Counter(answer for answer in subset if answer >= 0)
        winners = [answer for answer, n in counts.items() if n == max(counts.values())]
        scores.append(fmean(votes[answer][1] for answer in winners) if winners else 0.0)
    if scores:
        assert fmean(scores) == pytest.approx(majority_at(tuple(sorted(votes)), blank, k))


@pytest.mark.parametrize("size", [600, 1_400])
def test_majority_of_many(size: int) -> None:
    """Of thousands of completions, numbers of subsets beyond any float are still counted."""
    votes: Votes = ((size // 2, 0.0), (size // 2, 1.0))
    assert 0.5 == pytest.approx(majority_at(votes, 0, size // 4))


@pytest.mark.parametrize(
    ("alpha", "beta", "size", "k"), [(1.0, 1.0, 8, 1), (0.5, 0.5, 8, 4), (0.3, 2.0, 8, 1)]
)
@pytest.mark.parametrize("prompts", [32, 100])
def test_coverage(alpha: float, beta: float, size: int, k: int, prompts: int) -> None:
    """In 95 ± 2% of simulated runs the interval contains the true value."""
    runs = 2_000
    rng = np.random.default_rng(7)
    skills = rng.beta(alpha, beta, 500_000)
    truth = float(np.mean(1 - (1 - skills) ** k))
    correct = rng.binomial(size, rng.beta(alpha, beta, (runs, prompts)))
    values = pass_at(size, k)[correct].ravel()
    clusters = Clusters(np.repeat(np.arange(runs), prompts), values, np.ones(len(values), int))
    low, high = bootstrap_intervals(clusters, seed=0, is_share=True).T
    assert 0.93 <= np.mean((low <= truth) & (truth <= high)) <= 0.97


def test_coverage_of_clusters() -> None:
    """Groups of one prompt are alike, and prompts may have different numbers of groups."""
    runs, prompts = 1_000, 40
    rng = np.random.default_rng(8)
    sizes = rng.integers(1, 6, (runs, prompts))
    skills = rng.beta(2, 2, (runs, prompts))
    totals = rng.binomial(sizes, skills)
    means = np.repeat(np.arange(runs), prompts)
    clusters = Clusters(means, totals.ravel().astype(float), sizes.ravel())
    low, high = bootstrap_intervals(clusters, seed=0, is_share=True).T
    assert 0.93 <= np.mean((low <= 0.5) & (high >= 0.5)) <= 0.97


def test_equal_values() -> None:
    """Prompts that are all 0 or all 1 have exact one-sided bounds, others without spread none."""
    means = np.repeat(np.arange(4), [5, 5, 5, 1])
    values = np.array([0.0] * 5 + [1.0] * 5 + [0.5] * 5 + [0.3])
    clusters = Clusters(means, values, np.ones(16, int))
    bounds = bootstrap_intervals(clusters, seed=0, is_share=True)
    reach = 1 - 0.025 ** (1 / 5)
    assert [0.0, reach, 1 - reach, 1.0] == pytest.approx(bounds[:2].ravel().tolist())
    assert np.isnan(bounds[2:]).all()
    assert np.isnan(bootstrap_intervals(clusters, seed=0, is_share=False)).all()


def test_the_interval_of_a_mean_does_not_depend_on_others() -> None:
    """The same prompts have the same interval, whichever other means are computed."""
    values = np.random.default_rng(0).random(40)
    alone = Clusters(np.zeros(20, int), values[:20], np.ones(20, int))
    both = Clusters(np.repeat([0, 1], 20), values, np.ones(40, int))
    expected = bootstrap_intervals(alone, seed=3, is_share=True)[0]
    found = bootstrap_intervals(both, seed=3, is_share=True)[0]
    assert expected.tolist() == pytest.approx(found.tolist())
    assert expected.tolist() != bootstrap_intervals(alone, seed=4, is_share=True)[0].tolist()
