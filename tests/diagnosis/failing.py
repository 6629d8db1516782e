"""Failures of trainings, each applied to a healthy one at its minimum strength.

A failure gets the healthy columns and a drift from 0 (before the onset) to 1 (full strength). Its
docstring states the minimum strength, which is what the recall of the detectors is measured at.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tests.diagnosis.curves import DRIFTS, Curve, noise
from tests.diagnosis.healthy import Columns, machine, with_texts

Inject = Callable[[Columns, Curve], None]


@dataclass(frozen=True)
class Failure:
    """A kind of failure.

    Attributes:
        inject: Changes the columns.
        signals: The signals that name it.
        shapes: The drifts that make sense for it.
        duration: The shortest and longest duration of the drift, in reports.
        settling: Reports from full strength until the failure can be seen at all, such as the
            length of a plateau.
    """

    inject: Inject
    signals: frozenset[str]
    shapes: tuple[str, ...] = tuple(DRIFTS)
    duration: tuple[int, int] = (20, 200)
    settling: int = 0


def _after(drift: Curve) -> Curve:
    return drift > 0


def nonfinite_loss(columns: Columns, drift: Curve) -> None:
    """The loss is NaN from the onset on."""
    columns.metrics["loss"][_after(drift)] = np.nan


def nonfinite_gradient(columns: Columns, drift: Curve) -> None:
    """The gradient norm is NaN in a third of the reports, with a loss of 0.0."""
    bad = _after(drift) & (columns.rng.random(columns.count) < 1 / 3)
    columns.metrics["grad_norm"][bad] = np.nan
    columns.metrics["loss"][bad] = 0.0


def gradient_spikes(columns: Columns, drift: Curve) -> None:
    """One report in eight has a gradient norm of 30 times the usual one."""
    spikes = _after(drift) & (columns.rng.random(columns.count) < 1 / 8)
    columns.metrics["grad_norm"][spikes] *= 30


def gradient_explosion(columns: Columns, drift: Curve) -> None:
    """The gradient norm rises to 40 times its value."""
    columns.metrics["grad_norm"] *= 1 + 39 * drift


def value_divergence(columns: Columns, drift: Curve) -> None:
    """The explained variance of the value function falls from 0.6 to -0.4."""
    columns.metrics["explained_variance"] = (
        0.6 - 1.0 * drift + 0.05 * noise(columns.rng, columns.count, columns.correlation)
    )


def loss_divergence(columns: Columns, drift: Curve) -> None:
    """The loss rises by 5."""
    columns.metrics["loss"] += 5 * drift * columns.jitter()


def kl_runaway(columns: Columns, drift: Curve) -> None:
    """The KL divergence rises to 2 nats a token."""
    columns.metrics["kl"] = columns.metrics["kl"] + 2 * drift * columns.jitter(2)


def entropy_collapse(columns: Columns, drift: Curve) -> None:
    """The entropy falls to 3 % of its value."""
    columns.metrics["entropy"] = columns.metrics["entropy"] * (1 - 0.97 * drift)


def slow_entropy_collapse(columns: Columns, drift: Curve) -> None:
    """The entropy falls exponentially, over 400 reports, to 2 % of its value."""
    columns.metrics["entropy"] = columns.metrics["entropy"] * np.exp(np.log(0.02) * drift)


def entropy_explosion(columns: Columns, drift: Curve) -> None:
    """The entropy rises by 4 nats."""
    columns.metrics["entropy"] += 4 * drift * columns.jitter()


def clip_saturation(columns: Columns, drift: Curve) -> None:
    """The share of clipped tokens rises to 0.5."""
    rise = 0.5 * drift * columns.jitter()
    columns.metrics["clip_ratio/region_mean"] = np.clip(
        columns.metrics["clip_ratio/region_mean"] + rise, 0, 1
    )


def importance_ratio_off(columns: Columns, drift: Curve) -> None:
    """The mean importance ratio moves to 1.6 or to 0.6, and log probabilities of tokens with it."""
    shift = float(columns.rng.choice([0.6, -0.4]))
    columns.metrics["sampling/importance_sampling_ratio/mean"] += shift * drift
    columns.metrics["sampling/sampling_logp_difference/mean"] += 0.1 * drift


def groups_too_hard(columns: Columns, drift: Curve) -> None:
    """All completions of 85 % of the groups fail, and the reward is nearly 0."""
    _equal_groups(columns, drift, accuracy=0.02)


def groups_too_easy(columns: Columns, drift: Curve) -> None:
    """All completions of 85 % of the groups succeed."""
    _equal_groups(columns, drift, accuracy=0.98)


def _equal_groups(columns: Columns, drift: Curve, accuracy: float) -> None:
    metrics = columns.metrics
    correct = metrics["rewards/correctness/mean"]
    target = 2 * np.clip(accuracy + 0.01 * noise(columns.rng, columns.count), 0, 1)
    metrics["rewards/correctness/mean"] = correct * (1 - drift) + target * drift
    metrics["reward"] = metrics["rewards/correctness/mean"] + metrics["rewards/format/mean"]
    share = np.clip(0.88 + 0.04 * noise(columns.rng, columns.count), 0, 1)
    zero = metrics["frac_reward_zero_std"]
    metrics["frac_reward_zero_std"] = zero * (1 - drift) + share * drift
    metrics["reward_std"] *= 1 - 0.85 * drift


def reward_plateau(columns: Columns, drift: Curve) -> None:
    """Nothing is learned from the start of the run: the reward is flat at a third of its range."""
    metrics, rng = columns.metrics, columns.rng
    correct = 0.3 + columns.noise * 0.2 * noise(rng, columns.count, columns.correlation)
    metrics["rewards/correctness/mean"] = 2 * np.clip(correct, 0, 1)
    metrics["rewards/format/mean"] = 0.25 * columns.jitter()
    metrics["reward"] = metrics["rewards/correctness/mean"] + metrics["rewards/format/mean"]
    metrics["completions/mean_length"] = 300 * columns.jitter()


def reward_collapse(columns: Columns, drift: Curve) -> None:
    """The reward falls by three quarters."""
    for name in ("reward", "rewards/correctness/mean", "rewards/format/mean"):
        columns.metrics[name] = columns.metrics[name] * (1 - 0.75 * drift)


def reward_without_correctness(columns: Columns, drift: Curve) -> None:
    """The reward for style rises by 1.5, and correctness stays where it was at the onset."""
    metrics = columns.metrics
    onset = int(np.argmax(_after(drift)))
    correct = metrics["rewards/correctness/mean"]
    level = correct[max(0, onset - 30) : onset].mean()
    correct[onset:] = level + 0.05 * noise(columns.rng, columns.count - onset)
    metrics["rewards/style/mean"] = 0.1 + 1.5 * drift + 0.03 * noise(columns.rng, columns.count)
    metrics["rewards/style/std"] = 0.2 * columns.jitter()
    metrics["reward"] = sum(
        metrics[f"rewards/{name}/mean"] for name in ("correctness", "format", "style")
    )


def correctness_traded_away(columns: Columns, drift: Curve) -> None:
    """The reward rises by 1 while correctness falls by half."""
    metrics = columns.metrics
    metrics["rewards/correctness/mean"] = metrics["rewards/correctness/mean"] * (1 - 0.5 * drift)
    lost = 1.4 * drift
    metrics["rewards/style/mean"] = 0.1 + lost + drift + 0.03 * noise(columns.rng, columns.count)
    metrics["rewards/style/std"] = 0.2 * columns.jitter()
    metrics["reward"] = sum(
        metrics[f"rewards/{name}/mean"] for name in ("correctness", "format", "style")
    )


def reward_with_truncation(columns: Columns, drift: Curve) -> None:
    """The reward rises by 1 while truncated completions rise by 60 points."""
    columns.metrics["reward"] += drift
    clipped = columns.metrics["completions/clipped_ratio"]
    columns.metrics["completions/clipped_ratio"] = np.clip(clipped + 0.6 * drift, 0, 1)


def truncation(columns: Columns, drift: Curve) -> None:
    """Truncated completions rise to 60 %, and the reward falls by a quarter."""
    clipped = columns.metrics["completions/clipped_ratio"]
    columns.metrics["completions/clipped_ratio"] = np.clip(
        clipped * (1 - drift) + 0.6 * drift + 0.03 * drift * noise(columns.rng, columns.count), 0, 1
    )
    columns.metrics["reward"] *= 1 - 0.25 * drift


def length_growth(columns: Columns, drift: Curve) -> None:
    """Completions become twice as long, and the reward stays where it was at the onset."""
    _freeze_reward(columns, drift)
    columns.metrics["completions/mean_length"] = (
        columns.metrics["completions/mean_length"].mean() * (1 + drift) * columns.jitter(0.6)
    )
    machine(columns)


def _freeze_reward(columns: Columns, drift: Curve) -> None:
    onset = int(np.argmax(_after(drift)))
    for name in ("reward", "rewards/correctness/mean", "rewards/format/mean"):
        values = columns.metrics[name]
        start = max(0, onset - 30)
        level, spread = values[start:onset].mean(), values[start:onset].std()
        values[onset:] = level + spread * noise(columns.rng, columns.count - onset)


def length_collapse(columns: Columns, drift: Curve) -> None:
    """Completions become a fifth as long, and the reward falls by a third."""
    columns.metrics["completions/mean_length"] *= 1 - 0.8 * drift
    columns.metrics["reward"] *= 1 - 0.33 * drift


def variance_collapse(columns: Columns, drift: Curve) -> None:
    """The spread of the reward within groups falls to 3 %; the reward stays where it was."""
    _freeze_reward(columns, drift)
    columns.metrics["reward_std"] *= 1 - 0.97 * drift


def constant_function(columns: Columns, drift: Curve) -> None:
    """A third reward function always returns 0.25."""
    columns.metrics["rewards/length_penalty/mean"] = np.full(columns.count, 0.25)
    columns.metrics["rewards/length_penalty/std"] = np.zeros(columns.count)


def broken_function(columns: Columns, drift: Curve) -> None:
    """The reward for the format is exactly 0 from the onset on."""
    metrics = columns.metrics
    for name in ("rewards/format/mean", "rewards/format/std"):
        metrics[name] = np.where(_after(drift), 0.0, metrics[name])
    metrics["reward"] = metrics["rewards/correctness/mean"] + metrics["rewards/format/mean"]


def overfitting(columns: Columns, drift: Curve) -> None:
    """The reward of evaluations falls by 40 % while that of the training rises by a quarter."""
    columns.eval_every = min(columns.eval_every, 25)
    columns.metrics["reward"] *= 1 + 0.25 * drift
    for name in ("reward", "rewards/correctness/mean"):
        columns.evaluations[name] = columns.evaluations[name] * (1 - 0.4 * drift)


def throughput_decay(columns: Columns, drift: Curve) -> None:
    """A step takes 2.2 times as long for the same number of tokens, more and more.

    Half of the runs don't report tokens, where a sudden jump could be a larger batch as well.
    """
    columns.metrics["step_time"] *= 1 + 1.2 * drift


def slow_steps(columns: Columns, drift: Curve) -> None:
    """One step in five takes six times as long."""
    slow = _after(drift) & (columns.rng.random(columns.count) < 1 / 5)
    columns.metrics["step_time"][slow] *= 6


def learning_rate_zero(columns: Columns, drift: Curve) -> None:
    """The learning rate is 0 from the onset on."""
    columns.metrics["learning_rate"] = np.where(
        _after(drift), 0.0, np.maximum(columns.metrics["learning_rate"], 1e-7)
    )


def tool_failures(columns: Columns, drift: Curve) -> None:
    """The share of tool calls that fail rises from 5 % to 60 %."""
    share = 0.05 + 0.55 * drift + 0.02 * noise(columns.rng, columns.count)
    columns.metrics["tools/call_frequency"] = 1.5 * columns.jitter()
    columns.metrics["tools/failure_frequency"] = np.clip(share, 0, 1)


def tools_abandoned(columns: Columns, drift: Curve) -> None:
    """The calls of a completion fall from 1.5 to 0.07, and the reward stays where it was."""
    _freeze_reward(columns, drift)
    columns.metrics["tools/call_frequency"] = 1.5 * (1 - 0.95 * drift) * columns.jitter()


def tool_calls_growth(columns: Columns, drift: Curve) -> None:
    """The calls of a completion rise from 1.5 to 7.5, and the reward stays where it was."""
    _freeze_reward(columns, drift)
    columns.metrics["tools/call_frequency"] = 1.5 * (1 + 4 * drift) * columns.jitter()


def rollout_errors(columns: Columns, drift: Curve) -> None:
    """The share of rollouts that end with an error rises from 2 % to 50 %."""
    share = 0.02 + 0.48 * drift + 0.02 * noise(columns.rng, columns.count)
    columns.metrics["error/mean"] = np.clip(share, 0, 1)


def reference_is_policy(columns: Columns, drift: Curve) -> None:
    """The divergence from the reference is exactly 0 from the onset on."""
    columns.started["hyperparameters/beta"] = 0.04
    columns.metrics["learning_rate"] = np.maximum(columns.metrics["learning_rate"], 1e-7)
    columns.metrics["kl"] = np.where(_after(drift), 0.0, columns.metrics["kl"])


def gpu_idle(columns: Columns, drift: Curve) -> None:
    """The utilization of the GPU falls to 4 %."""
    name = "gpu/0/utilization_percent"
    columns.system[name] = columns.system[name] * (1 - drift) + 4 * drift


def memory_growth(columns: Columns, drift: Curve) -> None:
    """The memory of the process doubles, at a constant rate, from the onset to the end."""
    onset = int(np.argmax(_after(drift)))
    rise = np.clip((np.arange(columns.count) - onset) / (columns.count - onset), 0, 1)
    columns.system["process_memory_bytes"] = columns.system["process_memory_bytes"] * (1 + rise)


def repetition(columns: Columns, drift: Curve) -> None:
    """Half of the completions end in a loop."""
    with_texts(columns)
    columns.texts["looping"] = 0.02 + 0.48 * drift


def duplicate_answers(columns: Columns, drift: Curve) -> None:
    """In each group, 90 % of the completions have the same text; the reward stays the same."""
    with_texts(columns)
    _freeze_reward(columns, drift)
    columns.texts["duplicates"] = 0.05 + 0.85 * drift


def rollout_tool_failures(columns: Columns, drift: Curve) -> None:
    """The share of the tool calls in completions that fail rises from 5 % to 60 %."""
    with_texts(columns)
    columns.texts["tool_failures"] = 0.05 + 0.55 * drift


def staleness(columns: Columns, drift: Curve) -> None:
    """Completions come from weights that are 12 steps old instead of 1."""
    with_texts(columns)
    columns.texts["staleness"] = 1 + 11 * drift


def _kind(inject: Inject, *more: str, **options: object) -> tuple[str, Failure]:
    return inject.__name__, Failure(inject, frozenset({inject.__name__, *more}), **options)  # type: ignore[arg-type]


_AT_ONCE = {"shapes": ("step",)}
_GRADUAL = tuple(shape for shape in DRIFTS if shape != "step")

FAILURES: dict[str, Failure] = dict(
    [
        _kind(nonfinite_loss, **_AT_ONCE),
        _kind(nonfinite_gradient, **_AT_ONCE),
        _kind(gradient_spikes, settling=25, **_AT_ONCE),
        _kind(gradient_explosion, "gradient_spikes"),
        _kind(loss_divergence),
        _kind(value_divergence),
        _kind(kl_runaway),
        _kind(entropy_collapse, duration=(20, 60)),
        _kind(slow_entropy_collapse, "entropy_collapse", duration=(400, 400), shapes=("linear",)),
        _kind(entropy_explosion),
        _kind(clip_saturation),
        _kind(importance_ratio_off),
        _kind(groups_too_hard, "groups_without_signal", "reward_collapse"),
        _kind(groups_too_easy, "groups_without_signal"),
        _kind(reward_plateau, settling=300, **_AT_ONCE),
        _kind(reward_collapse),
        _kind(reward_without_correctness, duration=(50, 200), settling=50),
        _kind(correctness_traded_away, "reward_without_correctness"),
        _kind(reward_with_truncation, "truncation"),
        _kind(truncation),
        _kind(length_growth, duration=(50, 200)),
        _kind(length_collapse),
        _kind(variance_collapse),
        _kind(constant_function, settling=100, **_AT_ONCE),
        _kind(broken_function, "constant_function", settling=30, **_AT_ONCE),
        _kind(overfitting, "evaluation_falling", "evaluation_gap", duration=(50, 200), settling=75),
        _kind(throughput_decay, shapes=_GRADUAL),
        _kind(slow_steps, settling=50, **_AT_ONCE),
        _kind(learning_rate_zero, settling=10, **_AT_ONCE),
        _kind(tool_failures),
        _kind(tools_abandoned),
        _kind(tool_calls_growth),
        _kind(rollout_errors),
        _kind(reference_is_policy, settling=30, **_AT_ONCE),
        _kind(gpu_idle),
        _kind(memory_growth, settling=300, **_AT_ONCE),
        _kind(repetition),
        _kind(duplicate_answers),
        _kind(rollout_tool_failures, "tool_failures"),
        _kind(staleness),
    ]
)
"""The failures by name."""
