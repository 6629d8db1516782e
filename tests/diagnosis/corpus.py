"""Labelled runs, as the events that a training would log, in two halves.

The half `tuning` is there to look at. The half `held_out` has other seeds, other learning curves
and other drifts: it is for the final measurement only (`make bench-diagnosis`). Once a measurement
has led to a change, its half is no longer held out: set aside other seeds and shapes.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from tests.diagnosis import texts
from tests.diagnosis.curves import DRIFTS
from tests.diagnosis.failing import FAILURES
from tests.diagnosis.healthy import GROUP_SIZE, HEALTHY, Columns, base

Half: TypeAlias = Literal["tuning", "held_out"]

SHAPES: dict[Half, tuple[str, ...]] = {
    "tuning": ("step", "linear", "exponential", "sigmoid"),
    "held_out": ("step", "decelerating", "staircase"),
}
_LEARNING: dict[Half, tuple[str, ...]] = {
    "tuning": ("saturating", "s_shaped"),
    "held_out": ("logarithmic", "delayed"),
}
_FIRST_SEED: dict[Half, int] = {"tuning": 0, "held_out": 3_500_000}
ONSETS = (120, 300, 600)

_GROUPS = 2
"""Groups a report whose completions are logged."""

TRAINER_NAMES: dict[str, dict[str, str]] = {
    "trl": {},
    "verl": {
        "loss": "actor/pg_loss",
        "grad_norm": "actor/grad_norm",
        "learning_rate": "actor/lr",
        "reward": "critic/rewards/mean",
        "entropy": "actor/entropy",
        "kl": "actor/kl_loss",
        "clip_ratio/region_mean": "actor/pg_clipfrac",
        "completions/mean_length": "response_length/mean",
        "completions/max_length": "response_length/max",
        "completions/min_length": "response_length/min",
        "completions/clipped_ratio": "response_length/clip_ratio",
        "step_time": "timing_s/step",
    },
    "openrlhf": {
        "loss": "policy_loss",
        "grad_norm": "actor_grad_norm",
        "learning_rate": "actor_lr",
        "completions/mean_length": "response_length",
        "clip_ratio/region_mean": "ppo_clip_ratio",
        "step_time": "timing/step_total",
    },
    "prime-rl": {
        "loss": "loss/mean",
        "grad_norm": "optim/grad_norm",
        "learning_rate": "optim/lr",
        "reward": "reward/all/mean",
        "entropy": "entropy/all/mean",
        "step_time": "time/step",
    },
}
"""What other trainers call what TRL reports."""


@dataclass(frozen=True)
class LabelledRun:
    """A run with its label.

    Attributes:
        name: Kind, shape and seed.
        kind: The kind of failure or of healthy training.
        signals: The signals that name the failure; empty for a healthy run.
        events: The events in the order they are logged.
        onset: The report with which the failure begins.
        full: The report at which it has its full strength, and can be seen.
    """

    name: str
    kind: str
    signals: frozenset[str]
    events: list[dict[str, Any]]
    onset: int = 0
    full: int = 0


def healthy_runs(half: Half, runs: int, count: int = 1000) -> Iterator[LabelledRun]:
    """Yield healthy runs, of each kind in turn."""
    kinds = list(HEALTHY)
    for number in range(runs):
        kind, seed = kinds[number % len(kinds)], _FIRST_SEED[half] + number
        columns = base(seed, _learning(half, number // len(kinds)), count)
        HEALTHY[kind](columns)
        yield LabelledRun(f"{kind}-{seed}", kind, frozenset(), to_events(columns, seed))


def failing_runs(half: Half, runs_each: int, *kinds: str) -> Iterator[LabelledRun]:
    """Yield runs of each failure (or of those named), with shapes and onsets in turn."""
    for kind in kinds or FAILURES:
        index = list(FAILURES).index(kind)
        failure = FAILURES[kind]
        shapes = [s for s in SHAPES[half] if s in failure.shapes] or list(failure.shapes)
        for number in range(runs_each):
            seed = _FIRST_SEED[half] + 10_000 + 100 * index + number
            rng = random.Random(seed)
            shape = shapes[number % len(shapes)]
            onset = ONSETS[(number + index) % len(ONSETS)]
            duration = 0 if shape == "step" else rng.randint(*failure.duration)
            full = onset + duration + failure.settling
            if kind in ("reward_plateau", "constant_function"):
                onset, full = 0, failure.settling
            columns = base(seed, _learning(half, number), max(full, onset) + 150)
            drift = DRIFTS[shape](columns.count, onset, max(duration, 1))
            failure.inject(columns, drift)
            events = to_events(columns, seed)
            yield LabelledRun(f"{kind}-{shape}-{seed}", kind, failure.signals, events, onset, full)


def _learning(half: Half, number: int) -> str:
    curves = _LEARNING[half]
    return curves[number % len(curves)]


def to_events(columns: Columns, seed: int) -> list[dict[str, Any]]:
    """Return the events of a run: rollouts, `training`, then what is logged now and then."""
    rng = random.Random(seed)
    renamed = TRAINER_NAMES[rng.choice(list(TRAINER_NAMES))]
    if "num_tokens" in columns.metrics and renamed and rng.random() < 0.5:
        del columns.metrics["num_tokens"]
    names = [renamed.get(name, name) for name in columns.metrics]
    rows = zip(*[values.tolist() for values in columns.metrics.values()], strict=True)
    events: list[dict[str, Any]] = [{"event": "run_started", **columns.started}]
    completions = _Completions(columns, rng)
    for step, row in enumerate(rows, 1):
        events += completions.of_report(step)
        report = dict(zip(names, row, strict=True))
        events.append({"event": "training", "mode": "train", "step": step, **report})
        if step % columns.eval_every == 0:
            evaluated = {name: float(v[step - 1]) for name, v in columns.evaluations.items()}
            events.append({"event": "evaluation", "mode": "eval", "step": step, **evaluated})
        if step % 2 == 0:
            sample = {name: float(v[step - 1]) for name, v in columns.system.items()}
            events.append({"event": "system", "step": step, **sample})
    return events


class _Completions:
    """Makes the `model_output` events of each report."""

    def __init__(self, columns: Columns, rng: random.Random) -> None:
        self._texts = {name: np.asarray(v).tolist() for name, v in columns.texts.items()}
        self._rng = rng
        self._logged = 0

    def of_report(self, step: int) -> list[dict[str, Any]]:
        """Return the completions of a report; none if the run logs none."""
        if not self._texts:
            return []
        share = {name: values[step - 1] for name, values in self._texts.items()}
        return [event for group in range(_GROUPS) for event in self._group(step, group, share)]

    def _group(self, step: int, group: int, share: dict[str, float]) -> list[dict[str, Any]]:
        rng = self._rng
        events: list[dict[str, Any]] = []
        common = texts.solution(rng, 30, rng.randrange(100))
        for index in range(GROUP_SIZE):
            if rng.random() < share["looping"]:
                text = texts.looping(rng, 60, 7)
            elif rng.random() < share["duplicates"]:
                text = common
            else:
                text = texts.solution(rng, 30, rng.randrange(100))
            calls = rng.randint(0, 3)
            events.append(
                {
                    "event": "model_output",
                    "mode": "train",
                    "step": step,
                    "id": f"rank0-0-{self._logged}",
                    "generation": step - 1,
                    "group": group,
                    "index": index,
                    "model_output": text,
                    "rewards/total": float(rng.random() < 0.5),
                    "truncated": rng.random() < share["truncated"],
                    "tool_calls": calls,
                    "tool_failures": sum(
                        rng.random() < share["tool_failures"] for _ in range(calls)
                    ),
                    "policy_version": max(
                        0, step - max(0, round(rng.gauss(share["staleness"], 0.7)))
                    ),
                }
            )
            self._logged += 1
        return events
