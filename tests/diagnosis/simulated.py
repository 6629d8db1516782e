"""Labelled runs from a simulated policy, instead of drawn curves.

A policy has a skill, and each problem a difficulty. A step draws problems, and a group of
completions for each of them, from binomial distributions; what is learned follows from the groups
that differ. So levels, noise and the shares of equal groups belong together, as in a training, and
nobody has drawn them. Failures change the simulation: a policy that learns an exploit, a schedule
that is wrong, a sampler that drifts away.

The module was written from the literature that docs/diagnosis.md cites and from the metrics that
trainers document, and shares neither curves nor noise with `corpus.py`. The runs of earlier seeds
were looked at: `make bench-diagnosis` takes another seed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tests.diagnosis.corpus import LabelledRun

Report = dict[str, float]


@dataclass
class Setting:
    """What a training is like.

    Attributes:
        reports: Number of reports.
        every: Steps a report, of which it has the means (`logging_steps`).
        prompts, group: Problems a step, completions of each.
        skill, spread: Initial skill of the policy in logits, spread of the difficulties.
        rate: How much is learned a step.
        ceiling: Skill that can be learned, in logits: no training solves all problems.
        entropy, decay: Initial entropy in nats, share that is left at the end.
        tokens, growth: Initial length of completions, growth for each unit of skill.
        limit: Longest completion in tokens.
        kl: Divergence from the reference at the end, in nats a token; None: not reported.
        warm_up: Share of the training in which the learning rate rises.
        order: Difficulty that is added over the training: "none", "epochs", "harder".
        scale, offset: Of the reward of a correct answer; 2 and -1 make it -1 or 1.
        jitter: Relative noise of what isn't sampled.
        style: Whose names the metrics have.
    """

    reports: int = 400
    every: int = 1
    prompts: int = 16
    group: int = 8
    skill: float = -0.8
    spread: float = 1.5
    rate: float = 0.06
    ceiling: float = 2.5
    entropy: float = 0.8
    decay: float = 0.5
    tokens: float = 400.0
    growth: float = 0.15
    limit: float = 2_048.0
    kl: float | None = 0.08
    warm_up: float = 0.05
    order: str = "none"
    scale: float = 1.0
    offset: float = 0.0
    jitter: float = 0.08
    style: str = "trl"


@dataclass
class State:
    """The state of a simulated training at a step; failures change it.

    Attributes:
        progress: Share of the training that is over.
        skill: Of the policy, in logits.
        formatted: Probability of the right format.
        exploit: How far an exploit is learned, 0 to 1.
        scales: Factors by metric.
        extra: Metrics that are set.
    """

    progress: float = 0.0
    skill: float = 0.0
    formatted: float = 0.4
    exploit: float = 0.0
    scales: dict[str, float] = field(default_factory=dict)
    extra: dict[str, float] = field(default_factory=dict)


Failing = Callable[[State, float, np.random.Generator], None]
"""Changes the state; the number is 0 before the onset and 1 at full strength."""


def simulate(
    setting: Setting,
    seed: int,
    failing: Failing | None = None,
    onset: int = 0,
    duration: int = 1,
) -> list[Report]:
    """Return the reports of a training, with our names of metrics."""
    rng = np.random.default_rng(seed)
    s = State(skill=setting.skill)
    reports: list[Report] = []
    steps: list[Report] = []
    total = setting.reports * setting.every
    held_back = float(rng.uniform(0.0, 0.25))
    gain = float(rng.uniform(0.7, 1.4))
    for number in range(total):
        s.progress, s.scales, s.extra = number / total, {}, {}
        report = number // setting.every
        if failing is not None:
            ramp = min(1.0, (report - onset + 1) / max(1, duration)) if report >= onset else 0.0
            failing(s, ramp, rng)
        steps.append(_step(s, setting, rng, gain, held_back))
        if len(steps) == setting.every:
            reports.append(_mean(steps))
            steps = []
    return reports


def _mean(steps: list[Report]) -> Report:
    names = steps[0]
    return {name: float(np.mean([step[name] for step in steps])) for name in names}


def _step(
    s: State, setting: Setting, rng: np.random.Generator, gain: float, held_back: float
) -> Report:
    hard = {
        "none": 0.0,
        "epochs": 1.2 * ((6 * s.progress) % 1.0) - 0.6,
        "harder": 1.5 * (s.progress > 0.5),
    }[setting.order]
    difficulty = rng.normal(hard, setting.spread, setting.prompts)
    chance = 1 / (1 + np.exp(difficulty - s.skill))
    chance = np.clip(chance * s.scales.get("chance", 1.0), 0, 1)
    if "chance" in s.extra:
        chance = np.full(setting.prompts, s.extra["chance"])
    correct = rng.binomial(setting.group, chance) / setting.group
    if rng.random() < s.extra.get("same", 0.0):
        correct = np.round(correct)
    within = np.sqrt(correct * (1 - correct) * setting.group / (setting.group - 1))
    formatted = rng.binomial(setting.prompts * setting.group, min(1, s.formatted)) / (
        setting.prompts * setting.group
    )
    warm = min(1.0, s.progress / setting.warm_up) if setting.warm_up else 1.0
    cooled = 0.5 * (1 + math.cos(math.pi * s.progress))
    rate = warm * cooled * s.scales.get("learning_rate", 1.0)
    left = max(0.0, 1 - (s.skill - setting.skill) / setting.ceiling)
    rate_now = setting.rate * gain * rate * left * s.scales.get("learned", 1.0)
    s.skill += rate_now * float(np.mean(within))
    s.formatted += 0.03 * rate * s.formatted * (1 - s.formatted)
    return _report(s, setting, rng, correct, within, formatted, rate, held_back)


def _report(
    s: State,
    setting: Setting,
    rng: np.random.Generator,
    correct: Any,
    within: Any,
    formatted: float,
    rate: float,
    held_back: float,
) -> Report:
    def noisy(value: float, times: float = 1.0) -> float:
        return float(value * math.exp(times * setting.jitter * rng.standard_normal()))

    scales = s.scales
    accuracy = float(np.mean(correct))
    reward = setting.offset + setting.scale * accuracy + 0.2 * formatted
    learned = s.skill - setting.skill
    tokens = noisy(setting.tokens * math.exp(setting.growth * learned)) * scales.get("tokens", 1.0)
    tokens = min(tokens, setting.limit)
    cut = rng.binomial(setting.prompts * setting.group, min(1.0, tokens / setting.limit / 6))
    truncated = cut / (setting.prompts * setting.group)
    if "truncated" in s.extra:
        truncated = min(1.0, max(0.0, s.extra["truncated"] + 0.03 * rng.standard_normal()))
    decay = setting.decay ** (2 * s.progress)  # most of it in the first half
    spikes = math.exp(abs(rng.standard_normal())) if rng.random() < 0.02 else 1.0
    seconds = noisy(2 + 0.004 * tokens) * scales.get("seconds", 1.0)
    report: Report = {
        "loss": 0.01 * float(rng.standard_normal()) + s.extra.get("loss", 0.0),
        "grad_norm": noisy(0.05 + float(np.mean(within)), 3) * spikes * scales.get("grad", 1.0),
        "learning_rate": 1e-6 * rate,
        "reward": reward + 0.8 * s.exploit + s.extra.get("paid", 0.0),
        "reward_std": setting.scale * float(np.mean(within)) * scales.get("spread", 1.0) + 1e-4,
        "frac_reward_zero_std": float(np.mean(within == 0)),
        "rewards/accuracy/mean": setting.offset + setting.scale * accuracy,
        "rewards/accuracy/std": setting.scale * math.sqrt(accuracy * (1 - accuracy)) + 1e-3,
        "rewards/format/mean": 0.2 * formatted * scales.get("format", 1.0),
        "rewards/format/std": 0.2 * math.sqrt(formatted * (1 - formatted)) + 1e-4,
        "entropy": noisy(setting.entropy * decay) * scales.get("entropy", 1.0)
        + s.extra.get("entropy", 0.0),
        "clip_ratio/region_mean": min(1.0, noisy(0.005, 4) + s.extra.get("clipped", 0.0)),
        "sampling/importance_sampling_ratio/mean": noisy(1.0, 0.1) * scales.get("ratio", 1.0),
        "completions/mean_length": tokens,
        "completions/clipped_ratio": truncated,
        "step_time": seconds,
        "eval/reward": setting.offset
        + setting.scale * (accuracy * (1 - 0.3 * held_back))
        + 0.2 * formatted
        + s.extra.get("evaluated", 0.0)
        + 0.02 * float(rng.standard_normal()),
        "machine/busy": min(100.0, noisy(75, 0.8) * scales.get("busy", 1.0)),
        "machine/memory": 5e9 * (1 + 0.2 * min(1, 10 * s.progress)) * scales.get("memory", 1.0),
    }
    if setting.kl is not None:
        distance = 1e-5 + setting.kl * (1 - math.exp(-3 * s.progress))
        report["kl"] = noisy(distance, 2) + s.extra.get("kl", 0.0)
    if s.exploit or "style" in s.extra:
        report["rewards/style/mean"] = 0.8 * s.exploit + 0.02 * float(rng.random())
        report["rewards/style/std"] = noisy(0.1)
    for name in ("loss", "grad_norm"):
        if name in scales:
            report[name] = scales[name]
    report |= {name: value for name, value in s.extra.items() if "/" in name or name == "staleness"}
    return report


# Failures. Each one's docstring states its strength.


def nan_loss(s: State, ramp: float, _rng: np.random.Generator) -> None:
    """The loss is NaN."""
    if ramp:
        s.scales["loss"] = math.nan


def infinite_gradient(s: State, ramp: float, rng: np.random.Generator) -> None:
    """The gradient overflows in a fifth of the steps."""
    if ramp and rng.random() < 0.2:
        s.scales["grad_norm"] = math.inf


def gradient_bursts(s: State, ramp: float, rng: np.random.Generator) -> None:
    """A sixth of the steps have gradients of fifty times the usual norm."""
    if ramp and rng.random() < 1 / 6:
        s.scales["grad"] = 50.0


def gradient_growth(s: State, ramp: float, _rng: np.random.Generator) -> None:
    """The gradient grows a hundredfold, at a constant rate of its logarithm."""
    s.scales["grad"] = 100.0**ramp


def loss_up(s: State, ramp: float, _rng: np.random.Generator) -> None:
    """The loss rises to 8."""
    s.extra["loss"] = 8 * ramp


def kl_exponential(s: State, ramp: float, _rng: np.random.Generator) -> None:
    """The divergence grows to 3 nats, at a constant rate of its logarithm."""
    s.extra["kl"] = 3 * math.expm1(6 * ramp) / math.expm1(6)


def kl_jump(s: State, ramp: float, _rng: np.random.Generator) -> None:
    """The divergence is 2 nats from one report to the next."""
    s.extra["kl"] = 2.0 * (ramp > 0)


def entropy_down(s: State, ramp: float, _rng: np.random.Generator) -> None:
    """The entropy falls to 2 % of its value, at a constant rate of its logarithm."""
    s.scales["entropy"] = 0.02**ramp


def entropy_up(s: State, ramp: float, _rng: np.random.Generator) -> None:
    """The entropy rises by 5 nats, and fewer answers are correct."""
    s.extra["entropy"] = 5 * ramp
    s.scales["chance"] = 1 - 0.6 * ramp


def clipped(s: State, ramp: float, _rng: np.random.Generator) -> None:
    """60 % of the tokens are clipped."""
    s.extra["clipped"] = 0.6 * ramp


def sampler_differs(s: State, ramp: float, _rng: np.random.Generator) -> None:
    """The importance ratio doubles."""
    s.scales["ratio"] = 2.0**ramp


def too_hard(s: State, ramp: float, _rng: np.random.Generator) -> None:
    """One problem in fifty is solved, by chance."""
    if ramp:
        s.extra["chance"] = 0.002


def too_easy(s: State, ramp: float, _rng: np.random.Generator) -> None:
    """Nearly every completion is right."""
    if ramp:
        s.extra["chance"] = 0.997


def nothing_learned(s: State, _ramp: float, _rng: np.random.Generator) -> None:
    """The policy doesn't change, and solves a third of the problems."""
    s.scales["learned"] = 0.0
    s.formatted = 0.4


def forgetting(s: State, ramp: float, _rng: np.random.Generator) -> None:
    """A tenth of what was solved is solved still."""
    s.scales["chance"] = 1 - 0.9 * ramp
    s.formatted *= 1 - 0.05 * ramp


def style_instead(s: State, ramp: float, _rng: np.random.Generator) -> None:
    """A reward for style rises to 0.8, and no problem more is solved."""
    s.extra["style"] = 1.0
    s.exploit = ramp
    if ramp:
        s.scales["learned"] = 0.0


def style_at_a_cost(s: State, ramp: float, _rng: np.random.Generator) -> None:
    """A reward for style rises to 0.8, and half of what was solved isn't any more."""
    s.extra["style"] = 1.0
    s.exploit = ramp
    s.scales["chance"] = 1 - 0.5 * ramp


def paid_by_length(s: State, ramp: float, _rng: np.random.Generator) -> None:
    """The reward rises by 0.8, and 80 % of the completions reach the limit."""
    s.extra["paid"] = 0.8 * ramp
    s.scales["tokens"] = 1 + 3 * ramp
    if ramp:
        s.extra["truncated"] = 0.05 + 0.75 * ramp


def longer(s: State, ramp: float, _rng: np.random.Generator) -> None:
    """Completions become three times as long, and no problem more is solved."""
    s.scales["tokens"] = 3.0**ramp
    if ramp:
        s.scales["learned"] = 0.0


def shorter(s: State, ramp: float, _rng: np.random.Generator) -> None:
    """Completions become a tenth as long, and a third less is solved."""
    s.scales["tokens"] = 0.1**ramp
    s.scales["chance"] = 1 - 0.33 * ramp


def cut_off(s: State, ramp: float, _rng: np.random.Generator) -> None:
    """Three quarters of the completions reach the limit, and half as much is solved."""
    if ramp:
        s.extra["truncated"] = 0.05 + 0.7 * ramp
    s.scales["chance"] = 1 - 0.5 * ramp


def one_answer(s: State, ramp: float, _rng: np.random.Generator) -> None:
    """All completions of a group are equal: no spread, and nothing more is learned."""
    if ramp:
        s.scales |= {"learned": 0.0, "spread": 0.02 + 0.98 * (1 - ramp)}
        s.extra["same"] = ramp


def dead_function(s: State, _ramp: float, _rng: np.random.Generator) -> None:
    """A third function returns 0 always."""
    s.extra |= {"rewards/citations/mean": 0.0, "rewards/citations/std": 0.0}


def function_breaks(s: State, ramp: float, _rng: np.random.Generator) -> None:
    """The function for the format returns 0 from the onset on."""
    if ramp:
        s.extra |= {"rewards/format/mean": 0.0, "rewards/format/std": 0.0}


def one_scale(s: State, _ramp: float, rng: np.random.Generator) -> None:
    """A third function has values in hundreds, and a spread to match."""
    value = 300 + 10 * float(rng.standard_normal())
    s.extra |= {"rewards/length/mean": value, "rewards/length/std": 150 + float(rng.random())}


def memorizing(s: State, ramp: float, _rng: np.random.Generator) -> None:
    """Evaluations lose 0.4, while the training goes on."""
    s.extra["evaluated"] = -0.4 * ramp


def slower(s: State, ramp: float, _rng: np.random.Generator) -> None:
    """A step takes three times as long."""
    s.scales["seconds"] = 1 + 2 * ramp


def schedule_over(s: State, ramp: float, _rng: np.random.Generator) -> None:
    """The learning rate is exactly zero."""
    if ramp:
        s.scales["learning_rate"] = 0.0


def no_gradient(s: State, ramp: float, _rng: np.random.Generator) -> None:
    """The gradient is exactly zero."""
    if ramp:
        s.scales["grad_norm"] = 0.0


def tools_fail(s: State, ramp: float, rng: np.random.Generator) -> None:
    """70 % of the tool calls fail, after 5 %."""
    share = 0.05 + 0.65 * ramp + 0.02 * float(rng.standard_normal())
    s.extra["tools/failure_frequency"] = max(0.0, share)


def old_weights(s: State, ramp: float, rng: np.random.Generator) -> None:
    """Completions are 15 steps old, after 1."""
    s.extra["staleness"] = 1 + 14 * ramp + 0.3 * float(rng.random())


def waiting(s: State, ramp: float, _rng: np.random.Generator) -> None:
    """The GPU is busy 3 % of the time."""
    s.scales["busy"] = 1 - 0.96 * ramp


def leak(s: State, ramp: float, _rng: np.random.Generator) -> None:
    """The memory triples, at a constant rate."""
    s.scales["memory"] = 1 + 2 * ramp


@dataclass(frozen=True)
class Kind:
    """A kind of failure: how it changes the simulation, and the signals that name it.

    Attributes:
        failing: Changes the state.
        signals: The signals that fit.
        duration: Reports from the onset to the full strength, as a share of the run.
        from_start: Whether it is there from the first step on.
        needs: Settings that it needs.
    """

    failing: Failing
    signals: frozenset[str]
    duration: float = 0.15
    from_start: bool = False
    needs: dict[str, Any] = field(default_factory=dict)


def _of(signals: str, **options: Any) -> Callable[[Failing], Kind]:
    return lambda failing: Kind(failing, frozenset(signals.split()), **options)


_SUDDEN = {"duration": 0.0}
_ALWAYS = {"from_start": True, "duration": 0.0}
_GROUPS = "groups_without_signal groups_too_hard groups_too_easy"

KINDS: tuple[Kind, ...] = (
    _of("nonfinite_loss", **_SUDDEN)(nan_loss),
    _of("nonfinite_gradient", **_SUDDEN)(infinite_gradient),
    _of("gradient_spikes", **_SUDDEN)(gradient_bursts),
    _of("gradient_explosion gradient_spikes")(gradient_growth),
    _of("loss_divergence")(loss_up),
    _of("kl_runaway", duration=0.4)(kl_exponential),
    _of("kl_runaway", **_SUDDEN)(kl_jump),
    _of("entropy_collapse")(entropy_down),
    Kind(entropy_down, frozenset({"entropy_collapse"}), duration=1.0, from_start=True),
    _of("entropy_explosion")(entropy_up),
    _of("clip_saturation")(clipped),
    _of("importance_ratio_off")(sampler_differs),
    _of(f"{_GROUPS} reward_plateau reward_collapse", **_ALWAYS)(too_hard),
    _of(_GROUPS, **_ALWAYS)(too_easy),
    _of("reward_plateau", **_ALWAYS)(nothing_learned),
    _of("reward_collapse")(forgetting),
    _of("reward_without_correctness")(style_instead),
    _of("reward_without_correctness")(style_at_a_cost),
    _of("reward_with_truncation truncation")(paid_by_length),
    _of("length_growth", duration=0.3)(longer),
    _of("length_collapse")(shorter),
    _of("truncation")(cut_off),
    _of(f"variance_collapse {_GROUPS}")(one_answer),
    _of("constant_function", **_ALWAYS)(dead_function),
    _of("constant_function", **_SUDDEN)(function_breaks),
    _of("dominating_function", **_ALWAYS)(one_scale),
    _of("evaluation_falling evaluation_gap", duration=0.3)(memorizing),
    _of("throughput_decay", duration=0.3)(slower),
    _of("learning_rate_zero", **_SUDDEN)(schedule_over),
    _of("no_gradient", **_SUDDEN)(no_gradient),
    _of("tool_failures")(tools_fail),
    _of("staleness")(old_weights),
    _of("gpu_idle")(waiting),
    _of("memory_growth", duration=1.0)(leak),
)
"""The failures, with the signals that fit."""

HEALTHY: dict[str, dict[str, Any]] = {
    "ordinary": {"reports": 1_000, "rate": 0.03},
    "short": {"reports": 100, "rate": 0.25},
    "every_tenth": {"reports": 100, "every": 10, "rate": 0.03},
    "every_fifth": {"reports": 200, "every": 5, "rate": 0.03},
    "medium": {"reports": 400},
    "one_prompt": {"reports": 1_000, "prompts": 1, "group": 8, "rate": 0.04},
    "large_batch": {"reports": 1_000, "prompts": 128, "group": 16, "jitter": 0.02, "rate": 0.03},
    "sparse": {"reports": 1_000, "skill": -4.5, "spread": 2.5, "rate": 0.2, "ceiling": 5.0},
    "easy": {"reports": 1_000, "skill": 1.2, "rate": 0.03, "ceiling": 1.0},
    "signed": {"reports": 1_000, "scale": 2.0, "offset": -1.0, "rate": 0.03},
    "sawtooth": {"reports": 1_000, "order": "epochs", "rate": 0.03},
    "harder": {"reports": 1_000, "order": "harder", "rate": 0.03},
    "no_reference": {"reports": 1_000, "kl": None, "decay": 0.45, "rate": 0.03},
    "warm_up": {"reports": 1_000, "warm_up": 0.4, "rate": 0.03},
    "wide_noise": {"reports": 1_000, "jitter": 0.35, "prompts": 4, "rate": 0.03},
    "longer_with_skill": {"reports": 1_000, "growth": 0.5, "rate": 0.03, "limit": 8_192.0},
    "shorter_with_skill": {"reports": 1_000, "growth": -0.3, "rate": 0.03},
    "slow": {"reports": 1_000, "rate": 0.01},
    "exploring": {"reports": 1_000, "decay": 1.3, "rate": 0.03},
}
"""Healthy trainings, by what their settings are."""

NAMES: dict[str, dict[str, str]] = {
    "trl": {},
    "verl": {
        "loss": "actor/pg_loss",
        "grad_norm": "actor/grad_norm",
        "learning_rate": "actor/lr",
        "reward": "critic/rewards/mean",
        "kl": "actor/kl_loss",
        "entropy": "actor/entropy",
        "clip_ratio/region_mean": "actor/pg_clipfrac",
        "completions/mean_length": "response_length/mean",
        "completions/clipped_ratio": "response_length/clip_ratio",
        "step_time": "timing_s/step",
    },
    "openrlhf": {
        "loss": "policy_loss",
        "grad_norm": "actor_grad_norm",
        "learning_rate": "actor_lr",
        "clip_ratio/region_mean": "ppo_clip_ratio",
        "completions/mean_length": "response_length",
        "completions/clipped_ratio": "truncated_rate",
        "step_time": "timing/step_total",
    },
    "prime-rl": {
        "loss": "loss/mean",
        "grad_norm": "optim/grad_norm",
        "learning_rate": "optim/lr",
        "reward": "reward/all/mean",
        "entropy": "entropy/all/mean",
        "kl": "ref_kl/all/mean",
        "completions/mean_length": "seq_len/all/mean",
        "completions/clipped_ratio": "is_truncated/all/mean",
        "step_time": "time/step",
    },
}

FIRST_SEED = 31_000_000
SETTINGS: tuple[dict[str, Any], ...] = (
    {"reports": 150, "every": 5, "rate": 0.04},
    {"reports": 300, "rate": 0.05},
    {"reports": 120, "every": 10, "rate": 0.02},
    {"reports": 600, "rate": 0.03},
    {"reports": 250, "prompts": 6, "jitter": 0.2},
)
SHORT_SETTINGS: tuple[dict[str, Any], ...] = (
    {"reports": 100, "rate": 0.2},
    {"reports": 100, "every": 10, "rate": 0.03},
    {"reports": 80, "every": 5, "rate": 0.06},
    {"reports": 100, "prompts": 6, "jitter": 0.2, "rate": 0.2},
    {"reports": 130, "prompts": 64, "rate": 0.2},
)
"""Settings of failing runs of about 100 reports."""

_ONSETS = (0.3, 0.55, 0.15, 0.7)


def healthy_runs(runs: int, first_seed: int = FIRST_SEED) -> Iterator[LabelledRun]:
    """Yield healthy runs, of each kind in turn, with the names of each trainer in turn."""
    kinds = list(HEALTHY)
    for number in range(runs):
        kind, seed = kinds[number % len(kinds)], first_seed + number
        setting = _varied(Setting(**HEALTHY[kind]), seed)
        events = _events(simulate(setting, seed), setting)
        yield LabelledRun(f"{kind}-{seed}", kind, frozenset(), events)


def failing_runs(
    runs_each: int,
    first_seed: int = FIRST_SEED,
    settings: Sequence[dict[str, Any]] = SETTINGS,
) -> Iterator[LabelledRun]:
    """Yield runs of each failure, with settings, onsets and names in turn."""
    for index, kind in enumerate(KINDS):
        for number in range(runs_each):
            seed = first_seed + 10_000 + 100 * index + number
            setting = Setting(**settings[number % len(settings)])
            setting = _varied(replace(setting, **kind.needs), seed)
            onset = 0 if kind.from_start else round(_ONSETS[number % 4] * setting.reports)
            duration = round(kind.duration * min(setting.reports - onset, 300))
            reports = simulate(setting, seed, kind.failing, onset, duration)
            name = f"{index}-{kind.failing.__name__}"
            full = onset if kind.duration == 1.0 else onset + duration
            events = _events(reports, setting)
            yield LabelledRun(f"{name}-{seed}", name, kind.signals, events, onset, full)


def _varied(setting: Setting, seed: int) -> Setting:
    rng = np.random.default_rng(seed + 5)
    return replace(
        setting,
        style=list(NAMES)[seed % len(NAMES)],
        tokens=setting.tokens * float(rng.uniform(0.6, 2.0)),
        entropy=setting.entropy * float(rng.uniform(0.5, 1.8)),
        spread=setting.spread * float(rng.uniform(0.7, 1.3)),
        jitter=setting.jitter * float(rng.uniform(0.6, 1.4)),
    )


def _events(reports: list[Report], setting: Setting) -> list[dict[str, Any]]:
    """Return the events: a report each, an evaluation each 20th, a sample of the machine each."""
    names = NAMES[setting.style]
    events: list[dict[str, Any]] = []
    for number, report in enumerate(reports, 1):
        step = number * setting.every
        evaluated = report.pop("eval/reward")
        busy, memory = report.pop("machine/busy"), report.pop("machine/memory")
        renamed = {names.get(name, name): value for name, value in report.items()}
        events.append({"event": "training", "mode": "train", "step": step, **renamed})
        if number % max(5, len(reports) // 20) == 0:
            events.append(
                {"event": "evaluation", "mode": "eval", "step": step, "reward": evaluated}
            )
        machine = {"gpu/0/utilization_percent": busy, "process_memory_bytes": memory}
        events.append({"event": "system", "step": step, **machine})
    return events
