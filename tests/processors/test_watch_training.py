"""`watch_training`: one alert per problem, and no false alerts."""

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
WITHOUT_CORRECTNESS = reports(
    reward=noisy(1.0, 10 * WINDOW) + rising(1.0, 3.0, 10 * WINDOW) + noisy(3.0, 10 * WINDOW),
    rewards__correctness__mean=noisy(0.6, 30 * WINDOW),
    rewards__correctness__std=[0.9] * (30 * WINDOW),
)
COLLAPSE = reports(reward=noisy(1.0) + noisy(0.9), reward_std=noisy(1.0) + noisy(0.01))
NO_SIGNAL = reports(
    reward=noisy(0.5) + noisy(0.02), frac_reward_zero_std=noisy(0.2) + noisy(0.95, noise=0.03)
)
KL_JUMP = reports(kl=noisy(0.05) + noisy(1.0))
ENTROPY_FALL = reports(entropy=noisy(1.5) + noisy(0.02))
ENTROPY_JUMP = reports(entropy=noisy(0.5) + noisy(4.0))

CASES = {
    "nonfinite_loss": NAN_LOSS,
    "reward_with_truncation": HACK,
    "reward_without_correctness": WITHOUT_CORRECTNESS,
    "variance_collapse": COLLAPSE,
    "groups_without_signal": NO_SIGNAL,
    "kl_runaway": KL_JUMP,
    "entropy_collapse": ENTROPY_FALL,
    "entropy_explosion": ENTROPY_JUMP,
}


@pytest.mark.parametrize("name", CASES)
def test_each_signal_raises_one_alert(name: str) -> None:
    """A lasting condition raises one alert of its signal."""
    assert 1 == signals(CASES[name]).count(name)


def test_fields_of_an_alert() -> None:
    """An alert has a level, a message with the numbers, a cause and what to try."""
    (alert, *_) = watch(HACK)
    assert ("warning", "training", "train") == (alert["level"], alert["logger"], alert["mode"])
    assert "warning" == alert["severity"]
    assert 3 * WINDOW <= alert["step"] <= 3 * WINDOW + 3
    assert "completions/clipped_ratio" == alert["metric"]
    assert alert["before"] + 0.3 <= alert["value"]
    assert alert["before"] + 0.3 == pytest.approx(alert["threshold"])
    assert 1.0 == pytest.approx(alert["reward_before"], abs=0.05)
    assert alert["reward_before"] < alert["reward"]
    assert f"{alert['value']:.0%}" in alert["message"]
    assert "mask_truncated_completions" in alert["try_next"]
    assert alert["cause"]


def test_the_level_is_the_severity() -> None:
    """A critical alert has the level critical, so that alerts can be routed by it."""
    (alert,) = watch(NAN_LOSS)
    assert ("critical", "critical") == (alert["level"], alert["severity"])


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf])
def test_nonfinite_loss(loss: float) -> None:
    """NaN and both infinities raise an alert at that step, without waiting for others."""
    (alert,) = watch(reports(loss=[1.0, loss, 1.0]))
    assert 1 == alert["step"]
    assert str(loss) == str(alert["value"])


@pytest.mark.parametrize("norm", [math.nan, math.inf])
def test_nonfinite_gradient(norm: float) -> None:
    """Gradients that are not finite raise an alert, although the loss is reported as 0.0."""
    norms = [1.0] * 20 + [norm] * 5
    (alert,) = watch(reports(loss=[0.0] * 25, grad_norm=norms))
    assert (24, "nonfinite_gradient", "grad_norm") == (
        alert["step"],
        alert["signal"],
        alert["metric"],
    )
    assert str(norm) == str(alert["value"])
    (alert,) = watch(reports(loss=[1.0, norm, norm], grad_norm=[1.0, norm, norm]))
    assert "nonfinite_loss" == alert["signal"]


@pytest.mark.parametrize("num_generations", [None, 4])
def test_variance_collapse_without_a_trainer(num_generations: int | None) -> None:
    """Rewards that are logged by hand collapse as well, with groups and without."""
    spreads = noisy(1.0, 2 * WINDOW) + noisy(0.001, 2 * WINDOW)
    groups = [[3.0, 3.0 + spread, 3.0 - spread, 3.0] * 4 for spread in spreads]
    events = [{"f": group, "num_generations": num_generations} for group in groups]
    assert "variance_collapse" in signals(events, "reward")
    assert "variance_collapse" not in signals(events[: 2 * WINDOW], "reward")


def test_a_recurring_condition_raises_another_alert() -> None:
    """A condition is over after a hundred reports; if it recurs then, it raises another alert."""
    good, bad = [{"loss": 1.0}], [{"loss": math.nan}]
    assert 1 == len(watch(bad + good * 99 + bad))
    first, over, second = watch(bad + good * 100 + bad)
    assert "over_since" not in first
    assert ("nonfinite_loss", 0) == (over["signal"], over["over_since"])
    assert ("nonfinite_loss", "critical") == (second["signal"], second["severity"])


def test_a_problem_that_comes_and_goes_is_raised_again_once() -> None:
    """Once it has come back, a problem has to be absent for 300 reports until it is over."""

    def alerts(entropies: list[float]) -> list[bool]:
        """Return whether each alert of the signal says that it is over."""
        found = watch(reports(entropy=noisy(1.0) + entropies))
        return ["over_since" in a for a in found if a["signal"] == "entropy_explosion"]

    wave = noisy(1.0, 240) + noisy(9.0, 40)
    assert [False, True, False] == alerts(wave * 5)
    assert [False, True] * 2 + [False] == alerts(wave * 2 + noisy(1.0, 310) + wave)


def test_an_entropy_that_returns_from_a_spike_has_not_collapsed() -> None:
    """The level before a spike is no collapse; a lower one is."""
    spike = noisy(1.0, 60) + noisy(9.0, 40)
    assert "entropy_collapse" not in signals(reports(entropy=spike + noisy(1.0, 60)))
    assert "entropy_collapse" in signals(reports(entropy=spike + noisy(0.3, 60)))


def test_an_evaluation_gap_that_persists_is_raised_once() -> None:
    """A gap that comes close to the limit now and then, but doesn't close, isn't over."""
    rewards = rising(0.3, 0.7, 300) + noisy(0.7, 900, noise=0.02)
    events: list[Report] = []
    for step, reward in enumerate(rewards):
        behind = 0.0 if step < 150 else 0.3 if step % 300 < 150 else 0.18
        evaluated = {"eval_reward": reward - behind} if step % 10 == 0 else {}
        events.append({"reward": reward, **evaluated})
    assert 1 == signals(events).count("evaluation_gap")


def test_run_started_begins_another_training() -> None:
    """Reports before a trainer's `run_started` don't affect the training after it."""
    with capture_events(WatchTraining()) as events:
        log = logflume.get_logger("training")
        for part in (HACK[:60], HACK[60:]):
            log.info("run_started")
            for report in part:
                log.info("training", **report)
    assert "reward_with_truncation" not in {event.get("signal") for event in events}


def test_evaluations_are_no_reports() -> None:
    """Reports with the mode `eval` raise no alert of the training."""
    assert [] == signals([{**report, "mode": "eval"} for report in NAN_LOSS])


def test_the_thresholds_can_be_set() -> None:
    """Options of the detectors, and their short forms, suppress alerts or raise more of them."""
    assert "reward_with_truncation" not in signals(HACK, truncation_rise=0.95)
    assert "groups_without_signal" not in signals(NO_SIGNAL, zero_signal_share=0.99)
    assert [] == signals(KL_JUMP, detectors={"kl_runaway": {"level": 2.0}})
    less = reports(reward=noisy(1.0) * 2, reward_std=noisy(1.0) + noisy(0.2))
    assert "variance_collapse" not in signals(less)
    assert "variance_collapse" in signals(less, variance_share=0.5)
    renamed = [
        {k.replace("correctness", "f1"): v for k, v in r.items()} for r in WITHOUT_CORRECTNESS
    ]
    assert "reward_without_correctness" not in signals(renamed)
    assert "reward_without_correctness" in signals(renamed, correctness="f1")


@pytest.mark.parametrize(
    ("detectors", "message"),
    [
        ({"kl_runway": {}}, "there is no signal 'kl_runway'"),
        ({"kl_runaway": {"leval": 1.0}}, "leval: there is no such option; there are: factor"),
        ({"kl_runaway": {"level": "high"}}, "level must be a number, above 0, not 'high'"),
        ({"reward_plateau": {"reports": 1}}, "reports must be an integer from 2"),
        ({"reward_without_correctness": {"correctness": 3}}, "must be a text or a list of texts"),
    ],
)
def test_wrong_options(detectors: dict[str, Any], message: str) -> None:
    """A wrong option is rejected; the error names the signal, the option and what is allowed."""
    with pytest.raises(ValueError, match=message):
        WatchTraining(detectors=detectors)


def test_learning_the_format_first_raises_no_alert() -> None:
    """A reward that rises at first while correctness is flat, which then follows, is fine."""
    assert [] == signals(
        reports(
            reward=rising(0.1, 0.6, 2 * WINDOW)
            + noisy(0.6, 2 * WINDOW)
            + rising(0.6, 0.8, 4 * WINDOW),
            rewards__correctness__mean=noisy(0.1, 4 * WINDOW) + rising(0.1, 0.3, 4 * WINDOW),
            rewards__correctness__std=[0.4] * (8 * WINDOW),
        )
    )


def test_correctness_near_its_maximum_raises_no_alert() -> None:
    """If nearly all answers are correct, only the other rewards can rise."""
    near_maximum = {"rewards/correctness/mean": 1.95, "rewards/correctness/std": 0.3}
    series = [{**report, **near_maximum} for report in WITHOUT_CORRECTNESS]
    assert "reward_without_correctness" not in signals(series)


def test_truncation_without_a_gain_is_named_so() -> None:
    """More truncation without more reward is no reward hack."""
    assert ["truncation", "reward_plateau"] == signals(
        [{**report, "reward": reward} for report, reward in zip(HACK, noisy(1.0) * 2, strict=True)]
    )


def batch(rng: random.Random, correct: float, **others: list[float]) -> Report:
    """Return a batch of 32 rewards for correctness, with a share of correct ones, and others."""
    return {"correctness": [2.0 * (rng.random() < correct) for _ in range(32)], **others}


def test_dominating_function() -> None:
    """A function on a larger scale accounts for the whole variance, although the others vary."""
    rng = random.Random(0)
    batches = [
        batch(rng, 0.5, length=[1000 * rng.random() for _ in range(32)]) for _ in range(3 * WINDOW)
    ]
    (alert,) = watch(batches, "reward")
    assert ("dominating_function", "length") == (alert["signal"], alert["function"])
    assert 0.995 < alert["value"]
    weighted = [{**rewards, "weights": {"length": 0.001}} for rewards in batches]
    assert [] == signals(weighted, "reward")


def test_a_saturated_function_is_not_dominated() -> None:
    """A function with nearly constant values is expected to leave the variance to the others."""
    rng = random.Random(0)
    batches = [batch(rng, 0.5, format=[0.5] * 31 + [0.0]) for _ in range(3 * WINDOW)]
    assert "dominating_function" not in signals(batches, "reward")


def test_anti_correlated_functions() -> None:
    """The alert names both of the functions that work against each other."""
    rng = random.Random(0)
    batches = [
        batch(rng, 0.5, brevity=[rng.uniform(0, 0.5) for _ in range(32)]) for _ in range(3 * WINDOW)
    ]
    assert [] == signals(batches, "reward")
    for rewards in batches:
        rewards["brevity"] = [
            b - c for b, c in zip(rewards["brevity"], rewards["correctness"], strict=True)
        ]
    alert = next(a for a in watch(batches, "reward") if a["signal"] == "anti_correlated_functions")
    assert {"brevity", "correctness"} == {alert["function"], alert["other_function"]}
    assert alert["value"] < -0.9


def test_rewards_without_a_trainer() -> None:
    """A training loop that only logs rewards is evaluated as well."""
    groups = [{"a": [1.0, 1.0, 0.0, 0.0], "num_generations": 2}] * (12 * WINDOW)
    found = signals(groups, "reward")
    assert {"groups_without_signal", "reward_plateau"} == set(found)


def test_mappings_are_read_as_they_are_recorded() -> None:
    """A mapping in a report is the fields that it becomes in the record."""
    nested = [{"completions": {"clipped_ratio": r["completions/clipped_ratio"]}, **r} for r in HACK]
    for report in nested:
        del report["completions/clipped_ratio"]
    assert signals(HACK) == signals(nested)


def test_other_ranks_raise_no_alert() -> None:
    """Only rank 0 raises alerts, so that there is one per training."""
    from logflume.runs.info import RunInfo

    assert [] == signals(NAN_LOSS, run=RunInfo(run="r", rank=1))


def test_events_pass_unchanged() -> None:
    """The processor returns the same event object, unchanged."""
    processor = WatchTraining()
    for event in ({"event": "training", **HACK[0]}, {"event": "reward"}, {"event": "other"}, {}):
        before = dict(event)
        assert event is processor(None, "info", event)
        assert before == event


def test_problems_that_are_too_easy_are_information() -> None:
    """A training that has solved its problems ends with groups of equal rewards: level info."""
    solved = reports(
        reward=noisy(0.5) + noisy(0.97, noise=0.01),
        frac_reward_zero_std=noisy(0.2) + noisy(0.9, noise=0.03),
    )
    (alert,) = watch(solved)
    assert ("groups_too_easy", "info", "info") == (
        alert["signal"],
        alert["severity"],
        alert["level"],
    )
