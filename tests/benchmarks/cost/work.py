"""The same work for all: the scalars of a GRPO step, and its completions."""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle
from random import Random
from typing import Literal, TypeAlias

from tests.benchmarks.peers.protocol import Peer, Row

__all__ = ["COMPLETIONS", "NAMES", "Work", "prepare"]

Work: TypeAlias = Literal["scalars", "completions"]

COMPLETIONS = 64
"""Completions of a step, of about 1 kB each."""

_FUNCTIONS = ("correctness", "format", "length")
NAMES = (
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
_DIFFERENT = 16
"""So many steps' values are made beforehand, and come again."""


def prepare(work: Work) -> Callable[[Peer], Callable[[int], None]]:
    """Make the values, and return what takes a peer and returns the call of one step."""
    rng = Random(0)
    if work == "scalars":
        made = [{name: rng.random() * 10 for name in NAMES} for _ in range(_DIFFERENT)]
        scalars = cycle(made)
        return lambda peer: lambda step: peer.step(step, next(scalars))
    rows = cycle(_rows(rng))
    return lambda peer: lambda step: peer.completions(step, next(rows))


def _rows(rng: Random) -> list[list[Row]]:
    import numpy as np

    from tests.benchmarks.made_up_texts import questions, texts

    made = texts(np.random.default_rng(0), COMPLETIONS * _DIFFERENT, 1_000)
    rows: list[Row] = [
        {
            "prompt": rng.choice(questions()),
            "completion": text,
            "rewards": {name: rng.random() for name in _FUNCTIONS},
            "advantage": rng.gauss(0, 1),
        }
        for text in made
    ]
    return [rows[n : n + COMPLETIONS] for n in range(0, len(rows), COMPLETIONS)]
