"""Short labelled runs of three other styles, which thresholds may be chosen with.

- `per_ten`: TRL's names, a report every ten steps, 60 to 120 reports; reports are means.
- `cluster`: names of verl, OpenRLHF and prime-rl, 80 to 200 large steps with little noise.
- `plain_loop`: nothing but `reward` events with the values of each completion.

Failures begin at the first report, in the middle, or in the last quarter. Curves are drawn with
other shapes and other noise than in `corpus.py`: sawtooths, drifts of logarithms, uniform noise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tests.diagnosis.corpus import LabelledRun

Metrics = dict[str, Any]
Rng = np.random.Generator


def _ramp(count: int, onset: int, duration: int) -> Any:
    return np.clip((np.arange(count) + 1 - onset) / max(1, duration), 0, 1)


def _wobble(rng: Rng, count: int, size: float) -> Any:
    return 1 + size * rng.uniform(-1, 1, count)


def _per_ten(rng: Rng, count: int) -> Metrics:
    """TRL, logging_steps=10: rewards of two functions, KL with a sawtooth, LR warm-up."""
    t = np.arange(count) / count
    gain = rng.uniform(0.25, 0.55)
    right = 0.2 + gain * np.sqrt(t) + 0.02 * rng.standard_normal(count)
    form = 0.9 - 0.5 * np.exp(-t * 15) + 0.01 * rng.standard_normal(count)
    saw = 1 + 0.3 * ((np.arange(count) % 9) / 9)
    return {
        "loss": 0.003 * rng.standard_normal(count) + 0.002 * t,
        "grad_norm": rng.uniform(0.1, 0.6) * _wobble(rng, count, 0.5),
        "learning_rate": 2e-6 * np.minimum(1, np.arange(count) / 8) * (1 - t * 0.999),
        "reward": right + form,
        "reward_std": 0.45 * _wobble(rng, count, 0.15),
        "frac_reward_zero_std": np.clip(0.25 + 0.1 * t + 0.05 * rng.standard_normal(count), 0, 1),
        "rewards/correctness_reward_func/mean": right,
        "rewards/correctness_reward_func/std": 0.45 * _wobble(rng, count, 0.05),
        "rewards/soft_format_reward_func/mean": form,
        "rewards/soft_format_reward_func/std": 0.2 * _wobble(rng, count, 0.2),
        "kl": 0.02 * np.sqrt(t + 0.01) * saw * _wobble(rng, count, 0.3),
        "entropy": (0.9 - 0.35 * t) * _wobble(rng, count, 0.05),
        "clip_ratio/region_mean": 0.004 * _wobble(rng, count, 0.9),
        "completions/mean_length": 240 * (1 + 0.2 * t) * _wobble(rng, count, 0.06),
        "completions/clipped_ratio": np.clip(0.05 + 0.02 * rng.standard_normal(count), 0, 1),
        "step_time": 14 * _wobble(rng, count, 0.08),
    }


_CLUSTER_NAMES: tuple[dict[str, str], ...] = (
    {
        "loss": "actor/pg_loss",
        "grad_norm": "actor/grad_norm",
        "learning_rate": "actor/lr",
        "reward": "critic/score/mean",
        "kl": "actor/ppo_kl",
        "entropy": "actor/entropy_loss",
        "clip_ratio/region_mean": "actor/pg_clipfrac",
        "completions/mean_length": "response_length/mean",
        "completions/clipped_ratio": "response_length/clip_ratio",
        "step_time": "perf/time_per_step",
    },
    {
        "loss": "policy_loss",
        "learning_rate": "actor_lr",
        "clip_ratio/region_mean": "ppo_clip_ratio",
        "completions/mean_length": "response_length",
        "completions/clipped_ratio": "truncated_rate",
        "step_time": "timing/step_total",
    },
    {
        "loss": "loss/mean",
        "grad_norm": "optim/grad_norm",
        "learning_rate": "optim/lr",
        "reward": "reward/mean",
        "kl": "ref_kl/all/mean",
        "entropy": "entropy/mean",
        "completions/mean_length": "seq_len/all/mean",
        "completions/clipped_ratio": "is_truncated/mean",
        "step_time": "time/step",
    },
)


def _cluster(rng: Rng, count: int) -> Metrics:
    """Large batches: smooth curves, constant learning rate, one reward from -1 or 0 to 1."""
    t = np.arange(count) / count
    low = float(rng.choice([0.0, -1.0]))
    share = 0.15 + rng.uniform(0.2, 0.6) * (1 - np.exp(-3 * t))
    share = share + 0.012 * rng.standard_normal(count)
    return {
        "loss": 0.01 * rng.standard_normal(count),
        "grad_norm": rng.uniform(0.03, 0.3) * np.exp(0.15 * rng.standard_normal(count)),
        "learning_rate": np.full(count, 1e-6),
        "reward": low + (1 - low) * share,
        "kl": 1e-3 * np.exp(2 * t + 0.2 * rng.standard_normal(count)),
        "entropy": 0.6 * np.exp(-0.7 * t) * np.exp(0.03 * rng.standard_normal(count)),
        "clip_ratio/region_mean": 0.002 * np.exp(0.4 * rng.standard_normal(count)),
        "completions/mean_length": 900 * (1 + 0.5 * share) * _wobble(rng, count, 0.03),
        "completions/clipped_ratio": 0.03 * _wobble(rng, count, 0.5),
        "step_time": 95 * _wobble(rng, count, 0.05),
    }


Break = Callable[[Metrics, Any, Rng], None]


def _freeze(m: Metrics, ramp: Any, *names: str) -> None:
    onset = int(np.argmax(ramp > 0))
    for name in names:
        if name in m:
            noise = m[name][1:] - m[name][:-1]
            level = m[name][max(0, onset - 8) : onset + 1].mean()
            m[name][onset:] = level + noise.std() * 0.7 * np.sin(
                97.0 * np.arange(len(ramp) - onset)
            )


_REWARDS = (
    "reward",
    "rewards/correctness_reward_func/mean",
    "rewards/soft_format_reward_func/mean",
)


def kl_log_drift(m: Metrics, ramp: Any, _rng: Rng) -> None:
    """KL grows by a factor of 2,000 on a logarithmic scale."""
    m["kl"] = np.maximum(m["kl"], 2e-3) * 2000**ramp


def entropy_log_drift(m: Metrics, ramp: Any, _rng: Rng) -> None:
    """Entropy falls to a fortieth on a logarithmic scale."""
    m["entropy"] = m["entropy"] * 40.0**-ramp


def entropy_blows_up(m: Metrics, ramp: Any, _rng: Rng) -> None:
    """Entropy rises to 4 nats."""
    m["entropy"] = m["entropy"] + 4 * ramp


def clip_half(m: Metrics, ramp: Any, rng: Rng) -> None:
    """Half of the tokens are clipped."""
    m["clip_ratio/region_mean"] = m["clip_ratio/region_mean"] + 0.5 * ramp * _wobble(
        rng, len(ramp), 0.2
    )


def spikes(m: Metrics, ramp: Any, rng: Rng) -> None:
    """One gradient in six is thirty times as large."""
    m["grad_norm"] = m["grad_norm"] * np.where((ramp > 0) & (rng.random(len(ramp)) < 1 / 6), 30, 1)


def blow_up(m: Metrics, ramp: Any, _rng: Rng) -> None:
    """Gradients grow a hundredfold."""
    m["grad_norm"] = m["grad_norm"] * 100**ramp


def all_equal_groups(m: Metrics, ramp: Any, rng: Rng) -> None:
    """95 % of the groups have no spread, and hardly anything is solved."""
    m["frac_reward_zero_std"] = np.clip(
        0.25 + 0.7 * ramp + 0.03 * rng.standard_normal(len(ramp)), 0, 1
    )
    for name in _REWARDS:
        m[name] = m[name] * (1 - 0.9 * ramp)
    m["reward_std"] = m["reward_std"] * (1 - 0.9 * ramp)


def flat_reward(m: Metrics, ramp: Any, rng: Rng) -> None:
    """The reward is flat from the first report on, at a third of what is possible."""
    for name, level in zip(_REWARDS, (0.45, 0.25, 0.2), strict=True):
        if name in m:
            m[name] = level + 0.015 * rng.standard_normal(len(ramp))


def collapse(m: Metrics, ramp: Any, _rng: Rng) -> None:
    """The reward falls to a tenth above its minimum."""
    low = min(0.0, -1.0 * (m["reward"].min() < -0.2))
    for name in _REWARDS:
        if name in m:
            m[name] = low + (m[name] - low) * (1 - 0.9 * ramp)


def hack(m: Metrics, ramp: Any, rng: Rng) -> None:
    """A bonus rises by 1, and correctness falls by two thirds."""
    right = "rewards/correctness_reward_func/mean"
    m[right] = m[right] * (1 - 0.65 * ramp)
    m["rewards/length_bonus/mean"] = 0.1 + ramp + 0.02 * rng.standard_normal(len(ramp))
    m["rewards/length_bonus/std"] = 0.2 * _wobble(rng, len(ramp), 0.1)
    m["reward"] = sum(m[n] for n in m if n.startswith("rewards/") and n.endswith("/mean"))


def format_only(m: Metrics, ramp: Any, rng: Rng) -> None:
    """The format is learned from the start, and correctness stays at 15 %."""
    t = np.arange(len(ramp)) / len(ramp)
    right, form = (f"rewards/{n}_reward_func/mean" for n in ("correctness", "soft_format"))
    m[right] = 0.15 + 0.01 * rng.standard_normal(len(ramp))
    m[form] = 0.95 - 0.85 * np.exp(-6 * t) + 0.01 * rng.standard_normal(len(ramp))
    m["reward"] = m[right] + m[form]


def longer(m: Metrics, ramp: Any, _rng: Rng) -> None:
    """Completions become two and a half times as long; the reward stays."""
    _freeze(m, ramp, *_REWARDS)
    m["completions/mean_length"] = m["completions/mean_length"] * 2.5**ramp


def shorter(m: Metrics, ramp: Any, _rng: Rng) -> None:
    """Completions become an eighth as long; the reward falls by a fifth."""
    m["completions/mean_length"] = m["completions/mean_length"] * 8.0**-ramp
    m["reward"] = m["reward"] - 0.2 * np.abs(m["reward"]) * ramp


def cut(m: Metrics, ramp: Any, _rng: Rng) -> None:
    """Most completions are truncated; the reward falls."""
    m["completions/clipped_ratio"] = m["completions/clipped_ratio"] + 0.7 * ramp
    m["reward"] = m["reward"] - 0.3 * np.abs(m["reward"]) * ramp


def slower(m: Metrics, ramp: Any, _rng: Rng) -> None:
    """Steps take three times as long."""
    m["step_time"] = m["step_time"] * (1 + 2 * ramp)


def nan(m: Metrics, ramp: Any, _rng: Rng) -> None:
    """The loss is NaN."""
    m["loss"] = np.where(ramp > 0, np.nan, m["loss"])


def no_rate(m: Metrics, ramp: Any, _rng: Rng) -> None:
    """The learning rate is zero."""
    m["learning_rate"] = np.where(ramp > 0, 0.0, np.maximum(m["learning_rate"], 1e-8))


def one_scale(m: Metrics, ramp: Any, rng: Rng) -> None:
    """A function in hundreds outweighs the others."""
    m["rewards/similarity/mean"] = 120 + 5 * rng.standard_normal(len(ramp))
    m["rewards/similarity/std"] = 60 * _wobble(rng, len(ramp), 0.1)
    m["rewards/correctness_reward_func/std"] = 0.45 * _wobble(rng, len(ramp), 0.05)
    m["reward"] = m["reward"] + m["rewards/similarity/mean"]


def opposed(m: Metrics, ramp: Any, rng: Rng) -> None:
    """What a second function grants, a third one takes."""
    swing = 0.2 * rng.standard_normal(len(ramp))
    m["rewards/brevity/mean"] = 0.5 - swing + 0.03 * rng.standard_normal(len(ramp))
    m["rewards/detail/mean"] = 0.5 + swing + 0.03 * rng.standard_normal(len(ramp))
    m["rewards/brevity/std"] = m["rewards/detail/std"] = 0.2 * _wobble(rng, len(ramp), 0.1)


def vanishing(m: Metrics, ramp: Any, _rng: Rng) -> None:
    """Gradients shrink to a ten-thousandth."""
    m["grad_norm"] = m["grad_norm"] * 1e-4**ramp


def decline(m: Metrics, ramp: Any, _rng: Rng) -> None:
    """Half of the reward is lost, above its minimum, and doesn't come back."""
    low = min(0.0, -1.0 * (m["reward"].min() < -0.2))
    _freeze(m, ramp, *_REWARDS)
    for name in _REWARDS:
        if name in m:
            m[name] = low + (m[name] - low) * (1 - 0.5 * ramp)


def clipped_always(m: Metrics, ramp: Any, rng: Rng) -> None:
    """Half of the tokens are clipped from the first report on."""
    m["clip_ratio/region_mean"] = 0.5 * _wobble(rng, len(ramp), 0.15)


def tools_always(m: Metrics, ramp: Any, rng: Rng) -> None:
    """Four of five tool calls fail from the first report on."""
    m["tools/failure_frequency"] = 0.8 * _wobble(rng, len(ramp), 0.1)


def repeating_always(m: Metrics, ramp: Any, rng: Rng) -> None:
    """Most n-grams are repeated from the first report on."""
    m["quality/repetition/mean"] = 0.7 * _wobble(rng, len(ramp), 0.1)


def no_spread(m: Metrics, ramp: Any, _rng: Rng) -> None:
    """The spread within groups falls to 2 %; the reward stays."""
    _freeze(m, ramp, *_REWARDS)
    m["reward_std"] = m["reward_std"] * (1 - 0.98 * ramp)


_BREAKS: tuple[tuple[Break, str, str], ...] = (
    (kl_log_drift, "kl_runaway", "both"),
    (entropy_log_drift, "entropy_collapse", "both"),
    (entropy_blows_up, "entropy_explosion", "both"),
    (clip_half, "clip_saturation", "both"),
    (spikes, "gradient_spikes", "both"),
    (blow_up, "gradient_explosion gradient_spikes", "both"),
    (all_equal_groups, "groups_too_hard groups_without_signal reward_collapse", "per_ten"),
    (flat_reward, "reward_plateau", "start"),
    (collapse, "reward_collapse", "both"),
    (hack, "reward_without_correctness", "per_ten"),
    (format_only, "reward_without_correctness", "per_ten_start"),
    (longer, "length_growth", "both"),
    (shorter, "length_collapse", "both"),
    (cut, "truncation", "both"),
    (slower, "throughput_decay", "both"),
    (nan, "nonfinite_loss", "both"),
    (no_rate, "learning_rate_zero", "both"),
    (one_scale, "dominating_function", "per_ten_start"),
    (opposed, "anti_correlated_functions", "per_ten_start"),
    (vanishing, "no_gradient", "both"),
    (decline, "reward_collapse", "both"),
    (clipped_always, "clip_saturation", "start"),
    (tools_always, "tool_failures", "start"),
    (repeating_always, "repetition", "start"),
    (no_spread, "variance_collapse", "per_ten"),
)

_SEED = 990_000


def _as_events(m: Metrics, every: int, names: dict[str, str]) -> list[dict[str, Any]]:
    count = len(m["reward"])
    columns = {names.get(name, name): np.broadcast_to(v, count).tolist() for name, v in m.items()}
    return [
        {
            "event": "training",
            "mode": "train",
            "step": (i + 1) * every,
            **{name: values[i] for name, values in columns.items()},
        }
        for i in range(count)
    ]


def _styled(style: str, seed: int) -> tuple[Metrics, int, dict[str, str], Rng]:
    rng = np.random.default_rng(_SEED + seed)
    if style == "per_ten":
        return _per_ten(rng, int(rng.integers(60, 121))), 10, {}, rng
    names = _CLUSTER_NAMES[seed % 3]
    return _cluster(rng, int(rng.integers(80, 201))), 1, names, rng


def healthy_runs(runs: int) -> Iterator[LabelledRun]:
    """Yield honest runs of the three styles in turn."""
    for number in range(runs):
        style = ("per_ten", "cluster", "plain_loop")[number % 3]
        if style == "plain_loop":
            events = _plain_loop(np.random.default_rng(_SEED + number), None)
        else:
            m, every, names, _ = _styled(style, number)
            events = _as_events(m, every, names)
        yield LabelledRun(f"{style}-{number}", style, frozenset(), events)


def failing_runs(runs_each: int) -> Iterator[LabelledRun]:
    """Yield failing runs of each failure."""
    for index, (broken, signals, where) in enumerate(_BREAKS):
        for number in range(runs_each):
            seed = 1_000 + 50 * index + number
            style = "cluster" if where in ("both", "start") and number % 2 else "per_ten"
            m, every, names, rng = _styled(style, seed)
            count = len(m["reward"])
            onset = 0 if "start" in where else round((0.4, 0.6, 0.1, 0.55)[number % 4] * count)
            duration = 1 if "start" in where else round((0.1, 0.2, 0.25, 0.05)[number % 4] * count)
            broken(m, _ramp(count, onset, duration), rng)
            name = f"{broken.__name__}-{style}"
            events = _as_events(m, every, names)
            yield LabelledRun(
                f"{name}-{seed}", broken.__name__, frozenset(signals.split()), events, onset
            )
    for kind, fitting in _LOOP_FAILURES.items():
        for number in range(runs_each):
            rng = np.random.default_rng(_SEED + 5_000 + hash_of(kind) + number)
            events = _plain_loop(rng, kind)
            yield LabelledRun(f"loop_{kind}-{number}", f"loop_{kind}", fitting, events)


def hash_of(text: str) -> int:
    """Return a number of a text that is the same in each process."""
    return sum(math.prod((i + 1, ord(c))) for i, c in enumerate(text))


_LOOP_FAILURES = {
    "dominating": frozenset({"dominating_function"}),
    "opposed": frozenset({"anti_correlated_functions"}),
    "dead": frozenset({"constant_function"}),
    "breaks": frozenset({"constant_function"}),
    "hacked": frozenset({"reward_without_correctness"}),
    "collapsed": frozenset({"reward_collapse"}),
    "flat": frozenset({"reward_plateau"}),
    "equal": frozenset({"groups_without_signal", "groups_too_hard", "variance_collapse"}),
}


def _plain_loop(rng: Rng, kind: str | None) -> list[dict[str, Any]]:
    """`reward` events of 8 groups of 8 completions, from a training loop of one's own."""
    count = int(rng.integers(150, 260))
    onset = count // 3
    events = []
    for i in range(count):
        t = i / count
        share = 0.2 + 0.5 * t
        late = min(1.0, max(0.0, (i - onset) / 25))
        if kind == "flat":
            share = 0.3
        if kind == "collapsed":
            share *= 1 - 0.95 * late
        if kind == "hacked":
            share = (0.2 + 0.5 * min(t, 1 / 3)) * (1 - 0.6 * late)
        chance = np.clip(rng.beta(2, 2 / share - 2, 8).repeat(8), 0, 1)
        if kind == "equal":
            chance = chance * (1 - 0.995 * late)
        correct = (rng.random(64) < chance).astype(float)
        style = 0.3 + 0.1 * rng.standard_normal(64)
        style = style + (1.2 * late if kind == "hacked" else 0)
        form = (rng.random(64) < 0.6 + (0.0 if kind == "flat" else 0.35 * t)).astype(float)
        if kind == "breaks" and i > onset:
            form = form * 0
        if kind == "equal":
            form, style = form * (1 - late) + late, np.full(64, 0.3) * late + style * (1 - late)
        lists = {"correct": correct, "format": 0.5 * form, "style": 0.2 * style}
        if kind == "dominating":
            lists["tokens"] = 50 + 25 * rng.standard_normal(64)
        if kind == "opposed":
            lists["brevity"] = 1 - 2 * style + 0.05 * rng.standard_normal(64)
            lists["style"] = style
        if kind == "dead":
            lists["citations"] = np.zeros(64)
        fields: dict[str, Any] = {f"rewards/{k}": v.tolist() for k, v in lists.items()}
        total = sum(lists.values())
        fields["rewards/total"] = total.tolist()  # type: ignore[union-attr]
        for name, values in {**lists, "total": total}.items():
            array = np.asarray(values)
            fields[f"rewards/{name}/mean"] = float(array.mean())
            fields[f"rewards/{name}/std"] = float(array.std(ddof=1))
        groups = np.asarray(total).reshape(8, 8).std(axis=1)
        fields["rewards/total/frac_zero_std"] = float((groups < 1e-9).mean())
        events.append(
            {"event": "reward", "mode": "train", "step": i, "num_generations": 8, **fields}
        )
    return events
