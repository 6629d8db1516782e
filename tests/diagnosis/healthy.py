"""Healthy trainings of different kinds, as the columns that a trainer would report.

Each kind is what somebody who looks at the curves would call a good run, however odd some of them
look. Curves are written down from what trainings of these kinds report, not from what a detector
looks at.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from tests.diagnosis.curves import LEARNING, Curve, heavy_tailed, noise, saturating

GROUP_SIZE = 8


@dataclass
class Columns:
    """The reports of a training: one value of each metric a report.

    Attributes:
        rng: Source of all randomness of the run.
        count: Number of reports.
        learning: Name of the learning curve.
        noise: Relative noise of the metrics.
        correlation: Correlation of the noise of successive reports.
        metrics: Values by metric, in TRL's names.
        evaluations: Values by metric of the evaluations, one a report; only some are reported.
        eval_every: Reports from one evaluation to the next.
        system: Values by metric of the samples of the system, one a report.
        texts: What the completions of each report look like; empty without rollouts.
        started: Fields of the event that begins the training.
    """

    rng: np.random.Generator
    count: int
    learning: str
    noise: float
    correlation: float
    metrics: dict[str, Curve] = field(default_factory=dict)
    evaluations: dict[str, Curve] = field(default_factory=dict)
    eval_every: int = 50
    system: dict[str, Curve] = field(default_factory=dict)
    texts: dict[str, Curve] = field(default_factory=dict)
    started: dict[str, float] = field(default_factory=dict)

    def jitter(self, scale: float = 1.0) -> Curve:
        """Return relative noise around 1."""
        values = noise(self.rng, self.count, self.correlation)
        return np.exp(np.clip(values, -4, 4) * self.noise * scale)

    def learn(self, time_constant: float) -> Curve:
        """Return a learning curve from 0 to 1."""
        return LEARNING[self.learning](self.count, time_constant)


def base(seed: int, learning: str, count: int = 1000) -> Columns:
    """Return an ordinary training that learns to solve its problems."""
    rng = np.random.default_rng(seed)
    columns = Columns(
        rng=rng,
        count=count,
        learning=learning,
        noise=float(rng.uniform(0.03, 0.12)),
        correlation=float(rng.choice([0.0, 0.0, 0.3, 0.6])),
        eval_every=int(rng.choice([10, 25, 50, 100])),
    )
    start, end = rng.uniform(0.15, 0.4), rng.uniform(0.6, 0.92)
    solve(columns, start + (end - start) * columns.learn(rng.uniform(100, 400)))
    optimize(columns)
    policy(columns)
    lengths(columns, rng.uniform(120, 900))
    machine(columns)
    return columns


def solve(columns: Columns, accuracy: Curve, batch: float = 64.0) -> None:
    """Set the rewards and what follows from the share of correct answers.

    Args:
        columns: The columns.
        accuracy: The expected share of correct answers.
        batch: Completions a report, which sets the sampling noise.
    """
    rng, metrics = columns.rng, columns.metrics
    spread = np.sqrt(accuracy * (1 - accuracy) / batch) + columns.noise * 0.1
    sampled = accuracy + spread * noise(rng, columns.count, columns.correlation)
    correct = np.clip(sampled, 0, 1)
    formatted = 0.5 + 0.47 * saturating(columns.count, float(rng.uniform(20, 80)))
    formatted = np.clip(formatted + 0.03 * noise(rng, columns.count), 0, 1)
    metrics["rewards/correctness/mean"] = 2 * correct
    metrics["rewards/correctness/std"] = 2 * np.sqrt(np.maximum(correct * (1 - correct), 1e-4))
    metrics["rewards/format/mean"] = 0.5 * formatted
    metrics["rewards/format/std"] = 0.5 * np.sqrt(np.maximum(formatted * (1 - formatted), 1e-4))
    metrics["reward"] = 2 * correct + 0.5 * formatted
    within = np.sqrt(np.maximum(accuracy * (1 - accuracy), 1e-3))
    metrics["reward_std"] = 1.4 * within * columns.jitter()
    metrics["frac_reward_zero_std"] = np.clip(
        equal_groups(accuracy) + 0.06 * noise(rng, columns.count), 0, 1
    )
    gap = float(rng.uniform(0.0, 0.05))
    held_out = np.clip(
        accuracy - gap + float(rng.uniform(0.01, 0.03)) * noise(rng, columns.count), 0, 1
    )
    columns.evaluations = {
        "reward": 2 * held_out + 0.5 * formatted,
        "rewards/correctness/mean": 2 * held_out,
    }


def equal_groups(accuracy: Curve, concentration: float = 1.5) -> Curve:
    """Return the share of groups with equal rewards, for beta-distributed difficulties."""
    a, b = concentration * accuracy, concentration * (1 - accuracy)
    all_correct, none_correct = np.ones_like(accuracy), np.ones_like(accuracy)
    for index in range(GROUP_SIZE):
        all_correct *= (a + index) / (a + b + index)
        none_correct *= (b + index) / (a + b + index)
    return 0.6 * (all_correct + none_correct)


def optimize(columns: Columns) -> None:
    """Set loss, gradient norm and learning rate."""
    rng, count, metrics = columns.rng, columns.count, columns.metrics
    metrics["loss"] = 0.02 * noise(rng, count) + 0.001
    norm = float(rng.uniform(0.05, 2.0)) * (1 + float(rng.uniform(-0.6, 1.0)) * columns.learn(300))
    spikes = np.where(rng.random(count) < 0.004, rng.uniform(3, 12, count), 1.0)
    metrics["grad_norm"] = norm * columns.jitter(3) * spikes
    peak = float(10 ** rng.uniform(-6.5, -4.5))
    warm_up = int(rng.choice([0, 10, 50, 100]))
    progress = np.clip((np.arange(count) - warm_up) / (count - warm_up), 0, 1)
    schedule = str(rng.choice(["constant", "cosine", "linear"]))
    decay = {
        "constant": np.ones(count),
        "cosine": 0.5 * (1 + np.cos(np.pi * progress)),
        "linear": 1 - progress,
    }[schedule]
    ramp = np.minimum(np.arange(count) / warm_up, 1) if warm_up else np.ones(count)
    metrics["learning_rate"] = peak * ramp * decay


def policy(columns: Columns) -> None:
    """Set entropy, KL divergence, clipping and importance ratios."""
    rng, count, metrics = columns.rng, columns.count, columns.metrics
    first = float(rng.uniform(0.3, 2.0))
    last = first * float(rng.uniform(0.28, 0.9))
    entropy = last + (first - last) * np.exp(-np.arange(count) / float(rng.uniform(60, 500)))
    metrics["entropy"] = entropy * columns.jitter()
    plateau = float(10 ** rng.uniform(-2.5, -0.5))
    kl = plateau * saturating(count, float(rng.uniform(50, 400)))
    metrics["kl"] = (kl + 1e-4) * columns.jitter(2)
    clipped = float(rng.uniform(0.001, 0.06))
    metrics["clip_ratio/region_mean"] = np.clip(clipped * columns.jitter(4), 0, 1)
    metrics["clip_ratio/low_mean"] = 0.4 * metrics["clip_ratio/region_mean"]
    metrics["clip_ratio/high_mean"] = 0.6 * metrics["clip_ratio/region_mean"]
    metrics["sampling/importance_sampling_ratio/mean"] = 1 + 0.01 * noise(rng, count)
    metrics["sampling/sampling_logp_difference/mean"] = 0.015 * columns.jitter(2)


def lengths(columns: Columns, tokens: float) -> None:
    """Set the lengths of completions, which grow a little as the policy learns."""
    rng, metrics = columns.rng, columns.metrics
    gain = metrics["reward"] - metrics["reward"][:20].mean()
    smooth = np.convolve(gain, np.ones(25) / 25, "same") * np.minimum(
        1, np.arange(columns.count) / 25
    )
    growth = 1 + float(rng.uniform(-0.15, 0.5)) * smooth
    mean = tokens * np.clip(growth, 0.5, 4) * columns.jitter(0.6)
    metrics["completions/mean_length"] = mean
    metrics["completions/max_length"] = 3 * mean * columns.jitter()
    metrics["completions/min_length"] = 0.2 * mean * columns.jitter()
    truncated = float(rng.uniform(0, 0.12))
    metrics["completions/clipped_ratio"] = np.clip(
        truncated + 0.3 * truncated * noise(rng, columns.count), 0, 1
    )


def machine(columns: Columns) -> None:
    """Set times, tokens, and samples of GPU and memory."""
    rng, count, metrics = columns.rng, columns.count, columns.metrics
    tokens = metrics["completions/mean_length"] * 64
    per_token = float(rng.uniform(1e-4, 1e-3))
    seconds = (float(rng.uniform(0.5, 5)) + per_token * tokens) * columns.jitter()
    saves = (np.arange(count) % 100) == 99
    metrics["step_time"] = seconds * np.where(saves, 2.5, 1.0)
    metrics["num_tokens"] = np.cumsum(tokens)
    columns.system = {
        "gpu/0/utilization_percent": np.clip(
            float(rng.uniform(55, 95)) + 12 * noise(rng, count), 0, 100
        ),
        "gpu/0/memory_used_bytes": 6e10 + 5e9 * saturating(count, 30) + 3e8 * noise(rng, count),
        "process_memory_bytes": 8e9 + 2e9 * saturating(count, 100) + 5e7 * noise(rng, count),
    }


def noisy(columns: Columns) -> None:
    """Small batches: every curve is noisy, and rewards most of all."""
    columns.noise, columns.correlation = 0.3, 0.3
    solve(columns, 0.3 + 0.4 * columns.learn(300), batch=12)
    optimize(columns)
    policy(columns)
    lengths(columns, 300)
    machine(columns)


def slow(columns: Columns) -> None:
    """A small learning rate: everything improves, but little."""
    solve(columns, 0.25 + 0.18 * np.arange(columns.count) / columns.count)


def warm_up(columns: Columns) -> None:
    """The learning rate rises for 200 reports, and nothing happens before."""
    ramp = np.minimum(np.arange(columns.count) / 200, 1)
    columns.metrics["learning_rate"] = 1e-6 * ramp
    columns.metrics["kl"] = columns.metrics["kl"] * ramp + 1e-5
    solve(columns, 0.3 + 0.4 * columns.learn(300) * ramp)


def curriculum(columns: Columns) -> None:
    """Every 200 reports the problems become harder, and the reward falls for a while."""
    stage = np.arange(columns.count) % 200
    top = 0.75 - 0.05 * (np.arange(columns.count) // 200)
    solve(columns, top - 0.3 * np.exp(-stage / 40))


def restarts(columns: Columns) -> None:
    """The learning rate has warm restarts, and entropy and gradients follow it."""
    cycle = (np.arange(columns.count) % 250) / 250
    columns.metrics["learning_rate"] = 1e-6 * 0.5 * (1 + np.cos(np.pi * cycle))
    columns.metrics["grad_norm"] *= 1 + 0.6 * np.exp(-cycle * 10)
    columns.metrics["entropy"] *= 1 + 0.25 * np.exp(-cycle * 10)


def changing_batch_size(columns: Columns) -> None:
    """The batch is four times as large from the middle on: less noise, longer steps."""
    middle = columns.count // 2
    for name in ("reward", "grad_norm", "completions/mean_length", "entropy"):
        values = columns.metrics[name]
        trend = np.convolve(np.pad(values, 10, "edge"), np.ones(21) / 21, "valid")
        values[middle:] = trend[middle:] + (values[middle:] - trend[middle:]) / 2
    seconds = columns.metrics["step_time"]
    seconds[middle:] *= 3.5
    tokens = np.diff(columns.metrics["num_tokens"], prepend=0)
    tokens[middle:] *= 4
    columns.metrics["num_tokens"] = np.cumsum(tokens)


def sparse_rewards(columns: Columns) -> None:
    """Few problems are solved at first, so most groups have no reward at all."""
    solve(columns, 0.02 + 0.3 * columns.learn(350))
    columns.metrics["frac_reward_zero_std"] = np.clip(
        1 - 3.5 * columns.metrics["rewards/correctness/mean"] / 2, 0.25, 0.97
    )


def resumed(columns: Columns) -> None:
    """The run continues from a checkpoint: curves go back a little, and the optimizer warms up."""
    back = int(columns.rng.uniform(300, 700))
    for values in columns.metrics.values():
        values[back:] = values[back - 60 : columns.count - 60].copy()
    columns.metrics["grad_norm"][back : back + 5] *= 3
    columns.metrics["step_time"][back : back + 2] *= 6


def early_jump(columns: Columns) -> None:
    """The format is learned within ten reports, then correctness improves slowly."""
    solve(columns, 0.2 + 0.5 * columns.learn(400))
    jump = saturating(columns.count, 4)
    formatted = 0.5 * np.clip(jump + 0.02 * noise(columns.rng, columns.count), 0, 1)
    columns.metrics["rewards/format/mean"] = formatted
    columns.metrics["reward"] = columns.metrics["rewards/correctness/mean"] + formatted


def saturated(columns: Columns) -> None:
    """Nearly everything is solved after a third of the run, and stays so."""
    solve(columns, 0.3 + 0.62 * columns.learn(80))


def long_reasoning(columns: Columns) -> None:
    """Lengths triple with the reward; the limit truncates half of the completions at first."""
    progress = columns.learn(250)
    solve(columns, 0.2 + 0.5 * progress)
    lengths(columns, 800)
    columns.metrics["completions/mean_length"] = 800 * (1 + 2 * progress) * columns.jitter(0.6)
    columns.metrics["completions/clipped_ratio"] = np.clip(
        0.08
        + 0.4 * np.exp(-np.arange(columns.count) / 80)
        + 0.02 * noise(columns.rng, columns.count),
        0,
        1,
    )
    machine(columns)


def concise(columns: Columns) -> None:
    """Answers become half as long while more of them are correct."""
    progress = columns.learn(200)
    solve(columns, 0.4 + 0.4 * progress)
    columns.metrics["completions/mean_length"] = 500 * (1 - 0.5 * progress) * columns.jitter(0.6)
    machine(columns)


def exploring(columns: Columns) -> None:
    """Entropy doubles, because the upper clip limit is high."""
    columns.metrics["entropy"] = (0.3 + 0.35 * columns.learn(300)) * columns.jitter()


def heavy_gradients(columns: Columns) -> None:
    """Gradient norms have heavy tails, with isolated spikes of twenty times and more."""
    tails = np.clip(heavy_tailed(columns.rng, columns.count), -8, 8)
    columns.metrics["grad_norm"] = 0.5 * np.exp(0.35 * tails)


def one_group(columns: Columns) -> None:
    """One group of eight completions a report: shares are 0 or 1, and half of the gradients 0."""
    rng, metrics = columns.rng, columns.metrics
    accuracy = 0.3 + 0.35 * columns.learn(300)
    # The problems differ in difficulty, so that many groups are solved by all or by none.
    difficulty = rng.beta(0.7 * accuracy, 0.7 * (1 - accuracy))
    correct = rng.binomial(GROUP_SIZE, difficulty) / GROUP_SIZE
    metrics["rewards/correctness/mean"] = correct
    metrics["rewards/correctness/std"] = np.sqrt(correct * (1 - correct) * 8 / 7)
    for name in ("rewards/format/mean", "rewards/format/std"):
        del metrics[name]
    metrics["reward"] = correct
    metrics["reward_std"] = metrics["rewards/correctness/std"]
    is_equal = metrics["reward_std"] == 0
    metrics["frac_reward_zero_std"] = is_equal.astype(float)
    metrics["grad_norm"] = np.where(is_equal, 0.0, metrics["grad_norm"])
    metrics["loss"] = np.where(is_equal, 0.0, metrics["loss"])
    metrics["completions/mean_length"] = 250 * np.exp(0.3 * noise(rng, columns.count))
    metrics["completions/clipped_ratio"] = rng.binomial(8, 0.05, columns.count) / 8
    machine(columns)


def with_texts(columns: Columns) -> None:
    """The completions are logged as well, some of which repeat themselves or are truncated."""
    columns.texts = {
        "looping": np.full(columns.count, 0.02),
        "duplicates": np.full(columns.count, 0.05),
        "tool_failures": np.full(columns.count, 0.05),
        "staleness": np.full(columns.count, 1.0),
        "truncated": np.full(columns.count, 0.05),
    }


HEALTHY: dict[str, Callable[[Columns], None]] = {
    kind.__name__: kind
    for kind in (
        noisy,
        slow,
        warm_up,
        curriculum,
        restarts,
        changing_batch_size,
        sparse_rewards,
        resumed,
        early_jump,
        saturated,
        long_reasoning,
        concise,
        exploring,
        heavy_gradients,
        one_group,
        with_texts,
    )
}
"""The kinds of healthy trainings, each applied to `base`."""
