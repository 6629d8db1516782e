"""The data that every peer logs: the scalars of a GRPO step, and its completions."""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle
from random import Random
from typing import Literal, TypeAlias

from tests.benchmarks.peers.protocol import Completion, Peer

__all__ = ["COMPLETIONS", "SCALAR_NAMES", "Workload", "prepare"]

Workload: TypeAlias = Literal["scalars", "completions"]

COMPLETIONS = 64
"""Completions per step, of about 1 kB each."""

_FUNCTIONS = ("correctness", "format", "length")
SCALAR_NAMES = (
    "loss",
    "learning_rate",
    "grad_norm",
    "epoch",
    "reward",
    "reward_std",
    "kl",
    "entropy",
    "step_time",
    "num_tokens",
    *(f"rewards/{name}/{kind}" for name in _FUNCTIONS for kind in ("mean", "std", "min", "max")),
)
_DISTINCT_STEPS = 16
"""Steps whose values are generated in advance and then repeated."""


def prepare(workload: Workload) -> Callable[[Peer], Callable[[int], None]]:
    """Generate the values.

    Returns:
        A function that takes a peer and returns the call that logs one step, by its number.
    """
    rng = Random(0)
    if workload == "scalars":
        steps = [{name: rng.random() * 10 for name in SCALAR_NAMES} for _ in range(_DISTINCT_STEPS)]
        scalars = cycle(steps)
        return lambda peer: lambda step: peer.log_scalars(step, next(scalars))
    rows = cycle(_rows(rng))
    return lambda peer: lambda step: peer.log_completions(step, next(rows))


def _rows(rng: Random) -> list[list[Completion]]:
    import numpy as np

    from tests.benchmarks.synthetic_texts import questions, texts

    generated = texts(np.random.default_rng(0), COMPLETIONS * _DISTINCT_STEPS, 1_000)
    rows: list[Completion] = [
        {
            "prompt": rng.choice(questions()),
            "completion": text,
            "rewards": {name: rng.random() for name in _FUNCTIONS},
            "advantage": rng.gauss(0, 1),
        }
        for text in generated
    ]
    return [rows[n : n + COMPLETIONS] for n in range(0, len(rows), COMPLETIONS)]
