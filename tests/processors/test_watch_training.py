"""`watch_training`: alerts on what goes wrong, once each, and none on what only looks like it."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

import logflume
from logflume.processors.watch_training import WatchTraining
from logflume.testing import capture_events
from tests.processors.watching import WINDOW, Report, noisy, reports, rising, signals, watch

NAN_LOSS = reports(loss=[0.5, 0.4, math.nan, math.nan, math.nan])
HACK = reports(
    reward=noisy(1.0) + noisy(2.0),
    completions__clipped_ratio=noisy(0.05) + noisy(0.9),
)
BESIDE_THE_POINT = reports(
    reward=rising(1.0, 3.0, 6 * WINDOW),
    rewards__correctness__mean=noisy(0.6, 6 * WINDOW),
    rewards__correctness__std=[0.9] * (6 * WINDOW),
)
COLLAPSE = reports(reward=noisy(1.0) + noisy(0.9), reward_std=noisy(1.0) + noisy(0.01))
NO_SIGNAL = reports(frac_reward_zero_std=noisy(0.2) + noisy(0.95, noise=0.03))
KL_JUMP = reports(kl=noisy(0.05) + noisy(1.0))
ENTROPY_FALL = reports(entropy=noisy(1.5) + noisy(0.02))
ENTROPY_JUMP = reports(entropy=noisy(0.5) + noisy(4.0))

CASES = {
    "nonfinite_loss": NAN_LOSS,
    "reward_with_truncation": HACK,
    "reward_without_correctness": BESIDE_THE_POINT,
    "variance_collapse": COLLAPSE,
    "zero_signal": NO_SIGNAL,
    "kl_off_trend": KL_JUMP,
    "entropy_off_trend": ENTROPY_FALL,
}


@pytest.mark.parametrize("name", CASES)
def test_each_signal_is_told_once(name: str) -> None:
    """A condition that lasts gives one alert of its name, and none of another."""
    assert [name] == signals(CASES[name])


def test_an_alert_says_what_it_rests_on() -> None:
    """It is a warning of `training` with a sentence, the step, and the numbers in fields."""
    (alert,) = watch(HACK)
    assert ("warning", "training", "train") == (alert["level"], alert["logger"], alert["mode"])
    assert 3 * WINDOW < alert["step"] < 4 * WINDOW
    assert "completions/clipped_ratio" == alert["metric"]
    assert alert["before"] + 0.3 <= alert["value"]
    assert 0.3 == alert["threshold"]
    assert 1.0 == pytest.approx(alert["reward_before"], abs=0.05)
    assert alert["reward_before"] < alert["reward"]
    assert WINDOW == alert["window_reports"]
    assert f"rose from {alert['reward_before']:.3g} to {alert['reward']:.3g}" in alert["message"]


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_no_number(loss: float) -> None:
    """NaN and both infinities are told at the very step, without waiting for a window."""
    (alert,) = watch(reports(loss=[1.0, loss, 1.0]))
    assert 1 == alert["step"]
    assert str(loss) == str(alert["value"])


def test_an_entropy_that_jumps_up() -> None:
    """A policy that falls apart into noise is off its trend, too."""
    assert ["entropy_off_trend"] == signals(ENTROPY_JUMP)


def test_a_condition_that_comes_back_is_told_again() -> None:
    """After a window without it; a shorter pause is no news."""
    good, bad = [{"loss": 1.0}], [{"loss": math.nan}]
    assert 1 == len(signals(bad + good * (WINDOW - 1) + bad))
    assert 2 == len(signals(bad + good * WINDOW + bad))


def test_another_training_begins_anew() -> None:
    """What was seen before a trainer's `run_started` is no trend of the training after it."""
    with capture_events(WatchTraining()) as events:
        log = logflume.get_logger("training")
        for part in (HACK[:60], HACK[60:]):
            log.info("run_started")
            for report in part:
                log.info("training", **report)
    assert [] == [event for event in events if event["event"] == "alert"]


def test_evaluations_are_not_watched() -> None:
    """Events of mode `eval` count for nothing."""
    assert [] == signals([{**report, "mode": "eval"} for report in NAN_LOSS])


def test_the_thresholds_can_be_set() -> None:
    """What is told with the defaults is not with wider thresholds, and the other way round."""
    assert [] == signals(HACK, truncation_rise=0.95)
    assert [] == signals(NO_SIGNAL, zero_signal_share=0.99)
    assert [] == signals(KL_JUMP, off_trend_factor=50)
    assert ["variance_collapse"] == signals(
        reports(reward=noisy(1.0) * 2, reward_std=noisy(1.0) + noisy(0.2)), variance_share=0.5
    )
    assert ["zero_signal"] == signals(NO_SIGNAL[:5], window_reports=5, zero_signal_share=0.1)
    mathematics = [
        {k.replace("correctness", "maths"): v for k, v in r.items()} for r in BESIDE_THE_POINT
    ]
    assert [] == signals(mathematics)
    assert ["reward_without_correctness"] == signals(mathematics, correctness="math")


@pytest.mark.parametrize("option", ["window_reports", "flat_windows"])
def test_a_trend_needs_two_values(option: str) -> None:
    """A window of one is refused, with the option's name."""
    options: dict[str, Any] = {option: 1}
    with pytest.raises(ValueError, match=f"{option} is 1"):
        WatchTraining(**options)


def test_a_format_that_is_learned_first_is_no_alarm() -> None:
    """A reward that rises for two windows with correctness flat, and then stays, is honest."""
    assert [] == signals(
        reports(
            reward=rising(0.1, 0.6, 2 * WINDOW) + noisy(0.6, 6 * WINDOW),
            rewards__correctness__mean=noisy(0.1, 8 * WINDOW),
            rewards__correctness__std=[0.4] * (8 * WINDOW),
        )
    )


def test_correctness_at_its_ceiling_is_no_alarm() -> None:
    """Where nearly all answers are right, only the rest of the reward can rise."""
    nearly_all = {"rewards/correctness/mean": 1.95, "rewards/correctness/std": 0.3}
    assert [] == signals([{**report, **nearly_all} for report in BESIDE_THE_POINT])


def test_truncation_alone_is_no_alarm() -> None:
    """Longer answers without more reward are the trainer's own business."""
    assert [] == signals([{**report, "reward": 1.0} for report in HACK])


def batch(rng: random.Random, correct: float, **others: list[float]) -> Report:
    return {"correctness": [2.0 * (rng.random() < correct) for _ in range(32)], **others}


def test_a_function_that_drowns_the_others() -> None:
    """A function on another scale makes up the whole variance, though the others vary."""
    rng = random.Random(0)
    batches = [
        batch(rng, 0.5, length=[1000 * rng.random() for _ in range(32)]) for _ in range(3 * WINDOW)
    ]
    (alert,) = watch(batches, "reward")
    assert ("dominating_function", "length") == (alert["signal"], alert["function"])
    assert 0.995 < alert["value"]
    weighted = [{**rewards, "weights": {"length": 0.001}} for rewards in batches]
    assert [] == signals(weighted, "reward")


def test_a_format_that_nearly_all_have_is_not_drowned() -> None:
    """A function with nothing left to say leaves the variance to the others rightly."""
    rng = random.Random(0)
    batches = [batch(rng, 0.5, format=[0.5] * 31 + [0.0]) for _ in range(3 * WINDOW)]
    assert [] == signals(batches, "reward")


def test_two_functions_that_work_against_each_other() -> None:
    """What one pays and the other takes away is told with both names."""
    rng = random.Random(0)
    batches = [
        batch(rng, 0.5, brevity=[rng.uniform(0, 0.5) for _ in range(32)]) for _ in range(3 * WINDOW)
    ]
    assert [] == signals(batches, "reward")
    for rewards in batches:
        rewards["brevity"] = [
            b - c for b, c in zip(rewards["brevity"], rewards["correctness"], strict=True)
        ]
    (alert,) = watch(batches, "reward")
    assert "anti_correlated_functions" == alert["signal"]
    assert ("brevity", "correctness") == (alert["function"], alert["other_function"])
    assert alert["value"] < -0.9


def test_rewards_without_a_trainer() -> None:
    """A loop of one's own that logs rewards alone is watched, too."""
    groups = [{"a": [1.0, 1.0, 0.0, 0.0], "num_generations": 2}] * (2 * WINDOW)
    assert ["zero_signal"] == signals(groups, "reward")


def test_other_ranks_say_nothing() -> None:
    """One alert a training: the processor of rank 1 leaves it to rank 0."""
    from logflume.runs.info import RunInfo

    assert [] == signals(NAN_LOSS, run=RunInfo(run="r", rank=1))


def test_every_event_passes_as_it_is() -> None:
    """The processor returns the very event, unchanged."""
    watching = WatchTraining()
    for event in ({"event": "training", **HACK[0]}, {"event": "reward"}, {"event": "other"}, {}):
        before = dict(event)
        assert event is watching(None, "info", event)
        assert before == event
