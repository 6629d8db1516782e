"""All detectors, in the order in which they are called. A new one is added here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from logflume.diagnosis.detector import Detector
from logflume.diagnosis.evaluation_signals import EvaluationFalling, EvaluationGap
from logflume.diagnosis.group_signals import (
    AntiCorrelatedFunctions,
    ConstantFunction,
    DominatingFunction,
    GroupsWithoutSignal,
)
from logflume.diagnosis.length_signals import LengthCollapse, LengthGrowth, Truncation
from logflume.diagnosis.machine_signals import GpuIdle, MemoryGrowth, ThroughputDecay
from logflume.diagnosis.optimizer_signals import (
    GradientExplosion,
    GradientSpikes,
    LearningRateZero,
    LossDivergence,
    NoGradient,
    NonfiniteGradient,
    NonfiniteLoss,
    NonfiniteMetric,
)
from logflume.diagnosis.policy_signals import (
    ClipSaturation,
    EntropyCollapse,
    EntropyExplosion,
    ImportanceRatioOff,
    KlRunaway,
)
from logflume.diagnosis.reward_signals import (
    RewardCollapse,
    RewardPlateau,
    RewardWithoutCorrectness,
    RewardWithTruncation,
    VarianceCollapse,
)
from logflume.diagnosis.rollout_signals import (
    DuplicateAnswers,
    Repetition,
    Staleness,
    ToolFailures,
)

__all__ = ["DETECTORS", "make_detectors"]

DETECTORS: tuple[type[Detector], ...] = (
    NonfiniteLoss,
    NonfiniteGradient,
    NonfiniteMetric,
    LossDivergence,
    GradientSpikes,
    GradientExplosion,
    LearningRateZero,
    NoGradient,
    KlRunaway,
    EntropyCollapse,
    EntropyExplosion,
    ClipSaturation,
    ImportanceRatioOff,
    RewardCollapse,
    RewardWithTruncation,
    RewardWithoutCorrectness,
    RewardPlateau,
    VarianceCollapse,
    GroupsWithoutSignal,
    ConstantFunction,
    DominatingFunction,
    AntiCorrelatedFunctions,
    LengthGrowth,
    LengthCollapse,
    Truncation,
    EvaluationFalling,
    EvaluationGap,
    Repetition,
    DuplicateAnswers,
    ToolFailures,
    Staleness,
    ThroughputDecay,
    GpuIdle,
    MemoryGrowth,
)


def make_detectors(options: Mapping[str, Mapping[str, Any]]) -> list[Detector]:
    """Return new detectors.

    Args:
        options: Options of detectors, by the names of their signals.

    Raises:
        ValueError: There is no such signal, or its detector has no such option.
    """
    known = {detector.signal: detector for detector in DETECTORS}
    if unknown := [name for name in options if name not in known]:
        raise ValueError(f"there is no signal {unknown[0]!r}; there are: {', '.join(known)}")
    made = []
    for signal, detector in known.items():
        try:
            made.append(detector(**options.get(signal, {})))
        except TypeError as error:
            raise ValueError(f"detectors: {signal}: {error}") from error
    return made
