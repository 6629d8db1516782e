"""Shapes of drifts, learning curves, and noise, as NumPy arrays over the reports of a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

Curve: TypeAlias = Any
"""An array of floats, one a report: NumPy's types of shapes are lost in arithmetic anyway."""
Drift: TypeAlias = Callable[[int, int, int], Curve]
"""(count, onset, duration) → 0 before the onset, and 1 once the duration is over."""


def step(count: int, onset: int, _duration: int) -> Curve:
    """All at once."""
    return (np.arange(count) >= onset).astype(float)


def linear(count: int, onset: int, duration: int) -> Curve:
    """At a constant rate."""
    return np.clip((np.arange(count) - onset) / duration, 0, 1)


def exponential(count: int, onset: int, duration: int) -> Curve:
    """Slowly at first, then faster and faster."""
    progress = np.clip((np.arange(count) - onset) / duration, 0, 1)
    return np.expm1(3 * progress) / np.expm1(3)


def sigmoid(count: int, onset: int, duration: int) -> Curve:
    """Slowly, fast, slowly; rescaled to start at 0 and to end at 1."""
    progress = np.clip((np.arange(count) - onset) / duration, 0, 1)
    edge = 1 / (1 + np.exp(4))
    return (1 / (1 + np.exp(-8 * (progress - 0.5))) - edge) / (1 - 2 * edge)


def decelerating(count: int, onset: int, duration: int) -> Curve:
    """Fast at first, then slower and slower."""
    progress = np.clip((np.arange(count) - onset) / duration, 0, 1)
    return np.expm1(-3 * progress) / np.expm1(-3)


def staircase(count: int, onset: int, duration: int) -> Curve:
    """In four steps of the same height, the first one at the onset."""
    progress = np.clip((np.arange(count) - onset) / duration, -1, 1)
    return np.clip(np.floor(3 * progress + 1e-9) + 1, 0, 4) / 4


DRIFTS: dict[str, Drift] = {
    "step": step,
    "linear": linear,
    "exponential": exponential,
    "sigmoid": sigmoid,
    "decelerating": decelerating,
    "staircase": staircase,
}


def saturating(count: int, time_constant: float) -> Curve:
    """A learning curve from 0 to 1: fast at first."""
    return 1 - np.exp(-np.arange(count) / time_constant)


def s_shaped(count: int, time_constant: float) -> Curve:
    """A learning curve from 0 to 1 with a slow start; its middle is at twice the constant."""
    progress = np.arange(count) / time_constant
    return (1 / (1 + np.exp(4 - 2 * progress)) - 1 / (1 + np.exp(4))) / (1 - 1 / (1 + np.exp(4)))


def logarithmic(count: int, time_constant: float) -> Curve:
    """A learning curve from 0 to 1: fast at first, and never quite flat."""
    progress = np.arange(count) / time_constant
    return np.log1p(10 * progress) / np.log1p(10 * max(count / time_constant, 1))


def delayed(count: int, time_constant: float) -> Curve:
    """A learning curve from 0 to 1: nothing at first, then at a rate that decreases."""
    progress = np.maximum(0, np.arange(count) - time_constant / 4) / time_constant
    return 1 - np.exp(-progress)


LEARNING = {
    "saturating": saturating,
    "s_shaped": s_shaped,
    "logarithmic": logarithmic,
    "delayed": delayed,
}
"""The learning curves by name."""


def noise(rng: np.random.Generator, count: int, correlation: float = 0.0) -> Curve:
    """Normal noise of standard deviation 1; successive values have this correlation (AR(1))."""
    white = rng.standard_normal(count)
    if not correlation:
        return white
    values = np.empty(count)
    last = white[0]
    innovation = np.sqrt(1 - correlation**2)
    for index, value in enumerate(white):
        last = value if index == 0 else correlation * last + innovation * value
        values[index] = last
    return values


def heavy_tailed(rng: np.random.Generator, count: int, freedom: float = 3.0) -> Curve:
    """Student's t noise, scaled to a median magnitude like that of normal noise."""
    return rng.standard_t(freedom, count) * 0.9
