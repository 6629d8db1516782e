"""Estimates of what a policy achieves with k completions of a prompt, from groups of n.

Each estimate of a group is the mean over all subsets of k of its n completions, so it is unbiased
for any k up to n. All are exact: no subsets are sampled.

- pass@k, whether one of k is correct: 1 - C(n - c, k) / C(n, k) for c correct ones (Chen et al.
  2021, "Evaluating Large Language Models Trained on Code", https://arxiv.org/abs/2107.03374).
- best@k, the highest reward of k: the i-th lowest reward is the highest of C(i - 1, k - 1) subsets.
- majority@k, whether the most frequent answer of k is correct (self-consistency: Wang et al. 2022,
  https://arxiv.org/abs/2203.11171).
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from math import comb
from typing import Any, TypeAlias

import numpy as np

from logflume.query.groupings import Array

__all__ = ["Votes", "best_weights", "majority_at", "pass_at"]

Votes: TypeAlias = tuple[tuple[int, float], ...]
"""For each different answer of a group: how many completions gave it, and the share of these that
are correct, sorted."""

_MAX_FLOAT_SIZE = 1_000
"""The numbers of subsets of larger groups may not fit a float."""


@lru_cache(maxsize=4096)
def pass_at(size: int, k: int) -> Array:
    """Return pass@k of a group by its number of correct completions, from 0. Shape [size + 1].

    >>> pass_at(4, 2).round(3).tolist()
    [0.0, 0.5, 0.833, 1.0, 1.0]
    """
    correct = np.arange(1, size + 1)
    # The share of subsets without a correct one, each from the one before; 0 from size - k + 1 on.
    factors = np.maximum(size - correct + 1 - k, 0) / (size - correct + 1)
    return 1.0 - np.concatenate([[1.0], np.cumprod(factors)])


@lru_cache(maxsize=4096)
def best_weights(size: int, k: int) -> Array:
    """Return the share of subsets in which each completion has the highest reward. Shape [size].

    The completions are sorted by their rewards, the lowest first.

    >>> best_weights(4, 2).round(3).tolist()
    [0.0, 0.167, 0.333, 0.5]
    """
    ranks = np.arange(size, k, -1)
    falling = np.cumprod(np.concatenate([[k / size], (ranks - k) / (ranks - 1)]))
    return np.concatenate([np.zeros(k - 1), falling[::-1]])


@lru_cache(maxsize=65536)
def majority_at(votes: Votes, blank: int, k: int) -> float:
    """Return the probability that the most frequent answer of k completions is correct.

    Among equally frequent answers, each wins with the same probability. A completion without an
    answer has no vote; if none of the k has an answer, the majority is wrong.

    The subsets are counted, not listed: if an answer wins with v votes, the rest of the subset is a
    product of polynomials in the number of completions, one for each other answer, cut off at v.

    Args:
        votes: The different answers.
        blank: The number of completions without an answer.
        k: The number of completions drawn.

    >>> majority_at(((2, 1.0), (2, 0.0)), 0, 3)
    0.5
    """
    size = blank + sum(count for count, _ in votes)
    number: Any = float if size <= _MAX_FLOAT_SIZE else Fraction
    won: Any = 0
    for winner in {vote for vote in votes if vote[1] > 0}:
        others = list(votes)
        others.remove(winner)
        counts = [count for count, _ in others]
        ways = sum(
            comb(winner[0], v) * _wins(counts, blank, v, k - v, number)
            for v in range(1, min(winner[0], k) + 1)
        )
        won += votes.count(winner) * winner[1] * float(ways / comb(size, k))
    return float(won)


def _wins(counts: Sequence[int], blank: int, most: int, rest: int, number: Any) -> Any:
    """Return the number of ways to draw the rest of a subset such that an answer wins.

    A way in which it ties with t others counts as 1 / (t + 1).

    Args:
        counts: How many completions gave each other answer.
        blank: The number of completions without an answer.
        most: The votes of the winning answer.
        rest: The completions to draw.
        number: The type to count in, `float` or `Fraction`.
    """
    free = blank + sum(count for count in counts if count < most)
    able = [count for count in counts if count >= most]
    ties = min(len(able), rest // most)
    # ways[t, x]: ways to draw x completions, t of the other answers having as many votes.
    ways = np.zeros((ties + 1, rest + 1), float if number is float else object)
    ways[0] = [comb(free, x) for x in range(rest + 1)]
    for count in able:
        drawn = np.zeros_like(ways)
        for x in range(min(most - 1, rest) + 1):
            drawn[:, x:] += comb(count, x) * ways[:, : rest + 1 - x]
        if most <= rest:
            drawn[1:, most:] += comb(count, most) * ways[:-1, : rest + 1 - most]
        ways = drawn
    return sum(number(n) / (t + 1) for t, n in enumerate(ways[:, rest]))
