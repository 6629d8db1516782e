"""All detectors, in the order in which they are called. A new one is added here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from inspect import signature
from typing import Any

from logflume.diagnosis.collapse_signals import RewardCollapse
from logflume.diagnosis.detector import Detector
from logflume.diagnosis.evaluation_signals import EvaluationFalling, EvaluationGap
from logflume.diagnosis.exploit_signals import RewardWithoutCorrectness, RewardWithTruncation
from logflume.diagnosis.group_signals import (
    AntiCorrelatedFunctions,
    ConstantFunction,
    DominatingFunction,
    GroupsWithoutSignal,
)
from logflume.diagnosis.length_signals import LengthCollapse, LengthGrowth, Truncation
from logflume.diagnosis.machine_signals import GpuIdle, MemoryGrowth, SlowSteps, ThroughputDecay
from logflume.diagnosis.missing_signals import MissingRewards
from logflume.diagnosis.optimizer_signals import (
    GradientExplosion,
    GradientSpikes,
    LearningRateZero,
    LossDivergence,
    NoGradient,
    NonfiniteGradient,
    NonfiniteLoss,
    NonfiniteMetric,
    ValueDivergence,
)
from logflume.diagnosis.policy_signals import (
    ClipSaturation,
    EntropyCollapse,
    EntropyExplosion,
    ImportanceRatioOff,
    KlRunaway,
    ReferenceIsPolicy,
)
from logflume.diagnosis.rescaling_signals import RewardRescaled
from logflume.diagnosis.reward_signals import RewardPlateau, VarianceCollapse
from logflume.diagnosis.rollout_signals import (
    DuplicateAnswers,
    LanguageMixing,
    Repetition,
    RolloutErrors,
    Staleness,
    ToolCallsGrowth,
    ToolFailures,
    ToolsAbandoned,
)

__all__ = ["DETECTORS", "SIGNALS", "check_options", "make_detectors"]

DETECTORS: tuple[type[Detector], ...] = (
    NonfiniteLoss,
    NonfiniteGradient,
    NonfiniteMetric,
    LossDivergence,
    GradientSpikes,
    GradientExplosion,
    LearningRateZero,
    NoGradient,
    ValueDivergence,
    KlRunaway,
    ReferenceIsPolicy,
    EntropyCollapse,
    EntropyExplosion,
    ClipSaturation,
    ImportanceRatioOff,
    RewardCollapse,
    RewardRescaled,
    RewardWithTruncation,
    RewardWithoutCorrectness,
    RewardPlateau,
    VarianceCollapse,
    GroupsWithoutSignal,
    ConstantFunction,
    MissingRewards,
    DominatingFunction,
    AntiCorrelatedFunctions,
    LengthGrowth,
    LengthCollapse,
    Truncation,
    EvaluationFalling,
    EvaluationGap,
    Repetition,
    DuplicateAnswers,
    LanguageMixing,
    ToolFailures,
    RolloutErrors,
    ToolsAbandoned,
    ToolCallsGrowth,
    Staleness,
    ThroughputDecay,
    SlowSteps,
    GpuIdle,
    MemoryGrowth,
)

SIGNALS = frozenset(name for one in DETECTORS for name in (one.signal, *one.variants))
"""All signals that they raise. An alert with another signal was logged by the user."""


def make_detectors(options: Mapping[str, Mapping[str, Any]]) -> list[Detector]:
    """Return new detectors.

    Args:
        options: Options of detectors, by the names of their signals.

    Raises:
        ValueError: There is no such signal, its detector has no such option, or a value is wrong.
    """
    known = {detector.signal: detector for detector in DETECTORS}
    if unknown := [name for name in options if name not in known]:
        raise ValueError(f"there is no signal {unknown[0]!r}; there are: {', '.join(known)}")
    for signal, given in options.items():
        check_options(known[signal], given)
    return [detector(**options.get(signal, {})) for signal, detector in known.items()]


def check_options(detector: type[Detector], given: Mapping[str, Any]) -> None:
    """Check the options of a detector, which may come from the record of somebody else's run.

    Raises:
        ValueError: There is no such option, or its value is not of the kind of the default.
    """
    parameters = signature(detector).parameters
    for name, value in given.items():
        where = f"{detector.signal}: {name}"
        if name not in parameters:
            allowed = ", ".join(parameters) or "none"
            raise ValueError(f"{where}: there is no such option; there are: {allowed}")
        default = parameters[name].default
        if isinstance(default, tuple):
            texts = [value] if isinstance(value, str) else value
            if not isinstance(texts, (list, tuple)) or not all(isinstance(t, str) for t in texts):
                raise ValueError(f"{where} must be a text or a list of texts, not {value!r}")
        elif type(value) not in (int, float) or not _is_in_range(value, default):
            kind = "an integer from 2 to 100,000" if type(default) is int else "a number"
            sign = "below 0" if default < 0 else "above 0"
            raise ValueError(f"{where} must be {kind}, {sign}, not {value!r}")


def _is_in_range(value: float, default: float) -> bool:
    """Whether a number is finite, and of the kind and the sign of the default."""
    if type(default) is int:
        return type(value) is int and 2 <= value <= 100_000
    return math.isfinite(value) and value * default > 0
