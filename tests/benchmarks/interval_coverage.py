"""A simulation of how often the 95% confidence intervals of pass@k contain the true value.

    python -m tests.benchmarks.interval_coverage

Each simulated run draws the skills of its prompts from a Beta distribution and 8 completions for
each, and computes one interval. The true value is the mean over the distribution. It prints a row
for each distribution, and a column for each number of prompts.
"""

from __future__ import annotations

import numpy as np

from logflume.query.estimates import pass_at
from logflume.query.intervals import Clusters, bootstrap_intervals

_RUNS = 4_000
_SIZE = 8
_PROMPTS = (8, 16, 32, 64, 128, 256, 512, 1_000)
_CASES = {
    "any skill, k = 1": (1.0, 1.0, 1),
    "any skill, k = 4": (1.0, 1.0, 4),
    "any skill, k = 8": (1.0, 1.0, 8),
    "easy or hard, k = 4": (0.5, 0.5, 4),
    "hard, k = 1": (0.3, 2.0, 1),
    "hard, k = 4": (0.3, 2.0, 4),
    "alike, k = 2": (20.0, 30.0, 2),
    "almost all solved, k = 4": (2.0, 0.5, 4),
}
"""The parameters of the Beta distribution, and k."""


def main() -> None:
    """Print the coverage in percent."""
    print(f"{'prompts':26}" + "".join(f"{count:>7}" for count in _PROMPTS))
    for name, (alpha, beta, k) in _CASES.items():
        covered = [_simulate(alpha, beta, k, prompts) for prompts in _PROMPTS]
        print(f"{name:26}" + "".join(f"{100 * share:7.1f}" for share in covered), flush=True)


def _simulate(alpha: float, beta: float, k: int, prompts: int) -> float:
    """Return the share of runs whose interval contains the true value."""
    rng = np.random.default_rng(prompts)
    truth = np.mean(1 - (1 - rng.beta(alpha, beta, 2_000_000)) ** k)
    correct = rng.binomial(_SIZE, rng.beta(alpha, beta, (_RUNS, prompts)))
    values = pass_at(_SIZE, k)[correct].ravel()
    means = np.repeat(np.arange(_RUNS), prompts)
    clusters = Clusters(means, values, np.ones(len(values), int))
    low, high = bootstrap_intervals(clusters, seed=0, is_share=True).T
    return float(np.mean((low <= truth) & (truth <= high)))


if __name__ == "__main__":
    main()
