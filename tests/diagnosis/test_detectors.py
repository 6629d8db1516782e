"""The detectors on labelled runs: each failure is named, and healthy runs raise nothing.

On the half of the runs that thresholds were chosen with; `make bench-diagnosis` measures the other.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from logflume.diagnosis.completion_measures import FIELDS, Completions
from logflume.diagnosis.detector import Detector
from logflume.diagnosis.detectors import DETECTORS
from logflume.diagnosis.finding import SEVERITIES
from logflume.diagnosis.reward_batches import measure_reward_batch
from logflume.diagnosis.watch import Diagnosis
from logflume.events.metric_names import METRIC_NAMES, find_metric
from logflume.processors.flatten_rewards import FlattenRewards
from tests.diagnosis import short_runs
from tests.diagnosis.corpus import failing_runs, healthy_runs
from tests.diagnosis.failing import FAILURES
from tests.diagnosis.feeding import diagnose, judge
from tests.diagnosis.healthy import HEALTHY
from tests.length import IS_LONG


@pytest.mark.parametrize("kind", FAILURES)
def test_a_failure_is_named(kind: str) -> None:
    """A failure at its minimum strength is named within 50 reports, and never before its onset."""
    for run in failing_runs("tuning", 10 if IS_LONG else 1, kind):
        outcome = judge(run)
        assert outcome.delay is not None, run.name
        assert outcome.delay <= 50, run.name
        assert [] == outcome.early, run.name


def test_healthy_runs_raise_nothing() -> None:
    """No kind of healthy training raises an alarm."""
    kinds = len(HEALTHY)
    runs = healthy_runs("tuning", 5 * kinds if IS_LONG else kinds, 1000 if IS_LONG else 400)
    assert {} == {run.name: found for run in runs if (found := diagnose(run))}


def test_short_runs_of_other_styles() -> None:
    """In runs of 60 to 260 reports most failures are named, and healthy runs raise nothing."""
    outcomes = [judge(run) for run in short_runs.failing_runs(8 if IS_LONG else 2)]
    named = sum(outcome.delay is not None for outcome in outcomes)
    assert named >= 0.8 * len(outcomes)
    assert [] == [early for outcome in outcomes for early in outcome.early]
    runs = short_runs.healthy_runs(150 if IS_LONG else 30)
    assert {} == {run.name: found for run in runs if (found := diagnose(run))}


def test_a_reward_that_pays_for_length() -> None:
    """Lengths that grow with the reward are found where longer completions get more of it."""
    diagnosis = Diagnosis()
    found = []
    for step in range(120):
        length = 100 * (1 + max(0, step - 50) / 20)
        for index in range(8):
            extra = 10 * (index - 3.5)
            completion = {"id": f"a-{step}-{index}", "group": 0, "rewards/total": length + extra}
            found += diagnosis.observe(
                {
                    "event": "model_output",
                    "step": step,
                    "completion_tokens": int(length + extra),
                    **completion,
                }
            )
        report = {"completions/mean_length": length, "reward": length / 100}
        found += diagnosis.observe({"event": "training", "step": step, **report})
    (finding,) = found
    assert "length_growth" == finding.signal
    assert "longer completions get more of it (correlation 1.00)" in finding.evidence.message


def _flat_rewards(reports: int) -> list[dict[str, Any]]:
    rng = np.random.default_rng(3)
    rewards = 0.3 + 0.03 * rng.standard_normal(reports)
    return [
        {"event": "training", "step": n, "reward": float(reward), "reward_std": 0.4}
        for n, reward in enumerate(rewards, 1)
    ]


@pytest.mark.parametrize(("total_steps", "signals"), [(None, []), (500, []), (100, [90])])
def test_a_reward_that_is_flat_to_the_end(total_steps: int | None, signals: list[int]) -> None:
    """Once 90 % of the steps are made, 90 reports are enough for a reward to be flat."""
    diagnosis = Diagnosis()
    diagnosis.observe({"event": "run_started", "total_steps": total_steps})
    found = [f for event in _flat_rewards(100) for f in diagnosis.observe(event)]
    assert signals == [f.step for f in found if f.signal == "reward_plateau"]


@pytest.mark.parametrize(("status", "signals"), [("finished", ["reward_plateau"]), ("failed", [])])
def test_a_run_that_is_finished(status: str, signals: list[str]) -> None:
    """A finished run has reached its end, whatever its number of steps."""
    diagnosis = Diagnosis()
    events = [*_flat_rewards(100), {"event": "run_finished", "status": status}]
    assert signals == [f.signal for event in events for f in diagnosis.observe(event)]


def _short(metric: str, before: float, after: float, onset: int, event: str) -> list[Any]:
    rng = np.random.default_rng(4)
    noise = 1 + 0.02 * rng.standard_normal(100)
    return [
        {"event": event, "step": n, metric: (before if n < onset else after) * float(noise[n])}
        for n in range(100)
    ]


@pytest.mark.parametrize(
    ("signal", "events"),
    [
        ("no_gradient", _short("grad_norm", 0.3, 0.0, 70, "training")),
        ("loss_divergence", _short("loss", 0.1, 4.0, 12, "training")),
        ("kl_runaway", _short("kl", 0.01, 2.0, 14, "training")),
        (
            "constant_function",
            [
                {**report, "reward": 0.5 + 0.01 * (n % 7), "rewards/b/mean": 0.1 * (n % 7)}
                for n, report in enumerate(_short("rewards/a/mean", 0.4, 0.0, 75, "training"))
            ],
        ),
        (
            "memory_growth",
            [
                {"event": "system", "process_memory_bytes": 1e9 * (1 + max(0, n - 40) / 30)}
                for n in range(100)
            ],
        ),
    ],
)
def test_a_failure_within_100_reports(signal: str, events: list[dict[str, Any]]) -> None:
    """A training of 100 reports is enough, wherever the failure begins."""
    diagnosis = Diagnosis()
    assert [signal] == [f.signal for event in events for f in diagnosis.observe(event)]


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda detector: detector.signal)
def test_a_detector_explains_itself(detector: type[Detector]) -> None:
    """Each detector says what it means, the cause and what to try, and documents its options."""
    assert detector.severity in SEVERITIES
    for text in (detector.meaning, detector.cause, detector.try_next):
        assert re.fullmatch(r"[A-Z].*\.", text)
    documentation = inspect.getdoc(detector) or ""
    for option in inspect.signature(detector).parameters:
        assert f"{option}: " in documentation


def measures_of_a_batch() -> set[str]:
    """Return the names of all measures of a batch of completions and of its rewards."""
    completions = Completions()
    for tokens in (100, 200):
        event: dict[str, Any] = {"step": 1, "group": 0, "policy_version": 0, "tool_calls": 1}
        event |= {"model_output": "the text", "completion_tokens": tokens, "rewards/total": tokens}
        event |= {"prompt": "the prompt"}
        completions.add([event.get(name) for name in FIELDS])
    rewards = {"rewards/a": [0.0, 1.0, 0.0, 1.0], "rewards/b": [1.0, 0.0, 0.0, 1.0]}
    return {*completions.close_batch(), *measure_reward_batch(rewards)}


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda detector: detector.signal)
def test_each_metric_has_names(detector: type[Detector]) -> None:
    """A detector reads metrics of the table of names, or what is computed for it."""
    computed = measures_of_a_batch()
    for metric in detector.reads:
        name = metric.removeprefix("eval/").removesuffix("/")
        assert name in METRIC_NAMES or name in computed or metric.startswith("machine/")


def test_names_are_unambiguous() -> None:
    """No name of a trainer stands for two metrics, and each is found."""
    names = [name for metric, others in METRIC_NAMES.items() for name in (metric, *others)]
    assert len(names) == len(set(names))
    for metric, others in METRIC_NAMES.items():
        assert {metric} == {found[0] for n in (metric, *others) if (found := find_metric(n))}


def test_completions_that_show_it() -> None:
    """A finding names the ids of completions that satisfy its condition."""
    (run,) = failing_runs("tuning", 1, "repetition")
    outputs = {event["id"]: event for event in run.events if event["event"] == "model_output"}
    (finding,) = (f for _, f in diagnose(run) if f.signal == "repetition")
    assert "ends in a loop, or half of its word n-grams are repeated" == finding.condition
    assert 1 <= len(finding.completions) <= 5
    for completion in finding.completions:
        words = outputs[completion]["model_output"].split()
        pairs = list(pairwise(words))
        assert len(set(pairs)) < len(pairs) / 2


@pytest.mark.parametrize("prefix", ["eval_", "eval/"])
def test_evaluations_within_the_reports(prefix: str) -> None:
    """Evaluations that a trainer reports with the metrics of the training are read as well."""
    (run,) = failing_runs("tuning", 1, "overfitting")
    diagnosis = Diagnosis()
    found = []
    for event in run.events:
        if event["event"] == "evaluation":
            metrics = {f"{prefix}{k}": v for k, v in event.items() if k.startswith("reward")}
            event = {"event": "training", "mode": "train", "step": event["step"], **metrics}
        found += diagnosis.observe(event)
    assert run.signals & {finding.signal for finding in found}


def test_rewards_besides_a_trainer_without_them() -> None:
    """Where only the loss is reported by a trainer, the rewards are those of `reward` events."""
    diagnosis = Diagnosis()
    found = []
    for step in range(300):
        reward = {"event": "reward", "step": step, "rewards/total/mean": 1.0 if step < 150 else 0.1}
        found += diagnosis.observe(reward)
        found += diagnosis.observe({"event": "training", "step": step, "loss": 0.01 * (step % 3)})
    assert "reward_collapse" in {finding.signal for finding in found}


def test_reports_without_a_metric_are_skipped() -> None:
    """A metric that only every third report has is judged by those reports."""
    (run,) = failing_runs("tuning", 1, "kl_runaway")
    diagnosis = Diagnosis()
    found = []
    for number, event in enumerate(run.events):
        sparse = {**event, "filler": 1.0}
        if number % 3:
            sparse = {k: v for k, v in sparse.items() if find_metric(k) != ("kl", 0)}
        found += diagnosis.observe(sparse)
    assert {"kl_runaway"} == {finding.signal for finding in found}


@pytest.mark.parametrize("value", [None, "0.5", True, [0.5], {"a": 1.0}, float("nan")])
def test_values_that_are_no_numbers(value: Any) -> None:
    """Reports whose values are no numbers are silent."""
    names = set(METRIC_NAMES) - {"loss", "grad_norm", "value_loss", "kl", "entropy"}
    names.discard("sampling/importance_sampling_ratio/mean")
    diagnosis = Diagnosis()
    report = {"event": "training", "step": 1, **dict.fromkeys(names, value)}
    assert [] == [found for _ in range(100) for found in diagnosis.observe(report)]


def test_ten_thousand_names() -> None:
    """Reports with ten thousand unknown names, and as many functions, are silent and bounded."""
    diagnosis = Diagnosis()
    names = {f"rewards/f{n}/mean": float(n) for n in range(5_000)}
    names |= {f"custom/{n}": float(n) for n in range(5_000)}
    report = {"event": "training", "mode": "train", "reward": 1.0, **names}
    for step in range(30):
        report["reward"] = step * 0.1
        assert [] == diagnosis.observe({**report, "step": step})
    assert 30 == diagnosis.reports


def test_duplicates_and_resets_are_silent() -> None:
    """Steps that are reported twice, and steps that begin again after a resume, are silent."""
    (run,) = healthy_runs("tuning", 1, count=300)
    training = [event for event in run.events if event["event"] == "training"]
    diagnosis = Diagnosis()
    events = [event for event in training for _ in range(2)] + training[100:]
    assert [] == [found for event in events for found in diagnosis.observe(event)]


def _gpu_samples(is_idle: Callable[[int, int], bool]) -> list[dict[str, Any]]:
    """Return a hundred steps with six samples each, given which samples of which step are idle."""
    events: list[dict[str, Any]] = []
    for step in range(1, 101):
        for n in range(6):
            percent = 3.0 if is_idle(step, n) else 90.0
            events.append({"event": "system", "gpu/0/utilization_percent": percent})
        events.append({"event": "training", "step": step, "loss": 0.1})
    return events


@pytest.mark.parametrize(
    ("is_idle", "signals"),
    [
        (lambda step, n: step > 50, ["gpu_idle"]),  # from then on
        (lambda step, n: step > 50 and n > 0, ["gpu_idle"]),  # busy for a sixth of each step
        (lambda step, n: step % 10 in (0, 1), []),  # a checkpoint of two minutes every ten steps
        (lambda step, n: n < 2, []),  # a third of each step
    ],
)
def test_a_gpu_that_is_idle_for_a_while(
    is_idle: Callable[[int, int], bool], signals: list[str]
) -> None:
    """A GPU is idle if it is so for most of the time of several steps, not for a part of them."""
    diagnosis = Diagnosis()
    found = [f for event in _gpu_samples(is_idle) for f in diagnosis.observe(event)]
    assert signals == [f.signal for f in found]


def test_a_gpu_during_a_long_evaluation() -> None:
    """However many samples there are of one step, they are not evidence of an idle GPU."""
    events = _gpu_samples(lambda _step, _n: False)
    idle = [{"event": "system", "gpu/0/utilization_percent": 2.0}] * 200
    diagnosis = Diagnosis()
    assert [] == [
        f for event in events[:350] + idle + events[350:] for f in diagnosis.observe(event)
    ]


def _evaluated(scale: float, offset: float, metric: str) -> list[dict[str, Any]]:
    """Return a training whose reward is a multiple of a rising accuracy, which is evaluated."""
    rng = np.random.default_rng(5)
    events: list[dict[str, Any]] = []
    for step in range(1, 301):
        accuracy = 0.2 + 0.6 * step / 300
        reward = offset + scale * (accuracy + 0.03 * rng.standard_normal())
        events.append({"event": "training", "step": step, "reward": float(reward)})
        if not step % 20:
            score = {metric: float(accuracy - 0.02 + 0.02 * rng.standard_normal())}
            events.append({"event": "training", "step": step, **score})
    return events


@pytest.mark.parametrize(
    "metric",
    [
        "eval_accuracy",
        "val-core/gsm8k/acc/mean@1",
        "eval/gsm8k/avg@4",
        "eval/eval_gsm8k_pass1",
        "validation/accuracy",
    ],
)
@pytest.mark.parametrize(("scale", "offset"), [(1, 0), (2.5, 0), (2, -1), (0.5, 0)])
def test_evaluations_on_another_scale(metric: str, scale: float, offset: float) -> None:
    """An accuracy that rises with a reward of any scale stays up; one that falls is found."""
    events = _evaluated(scale, offset, metric)
    diagnosis = Diagnosis()
    assert [] == [f.signal for event in events for f in diagnosis.observe(event)]
    falling = [{**e, metric: 1 - e[metric]} if metric in e else e for e in events]
    diagnosis = Diagnosis()
    found = {f.signal for event in falling for f in diagnosis.observe(event)}
    assert found & {"evaluation_gap", "evaluation_falling"}


def test_lengths_that_grow_with_a_noisy_reward() -> None:
    """A gain that is hidden by noise is no lack of a gain, in most trainings."""
    found = 0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        diagnosis = Diagnosis()
        for step in range(300):
            report = {
                "completions/mean_length": 200 * (1 + step / 150) * rng.normal(1, 0.05),
                "reward": 0.5 + 0.1 * step / 300 + 0.12 * rng.standard_normal(),
            }
            found += bool(diagnosis.observe({"event": "training", "step": step, **report}))
    assert found <= 2


def _two_functions(judge: Callable[[int, float], float | None]) -> list[dict[str, Any]]:
    """Return 200 reports of a training that learns, whose judge is given by step and value."""
    rng = np.random.default_rng(6)
    events: list[dict[str, Any]] = []
    for step in range(200):
        correct, usual = (
            float(v) for v in np.array([0.3 + step / 500, 0.5]) + 0.03 * rng.standard_normal(2)
        )
        value = judge(step, usual)
        events.append(
            {
                "event": "training",
                "step": step,
                "reward": correct + (value or 0.0),
                "rewards/correctness/mean": correct,
                "rewards/judge/mean": math.nan if value is None else value,
            }
        )
    return events


@pytest.mark.parametrize(
    ("judge", "found"),
    [
        (lambda step, usual: usual, []),
        (lambda step, usual: 0.5 if step >= 100 else usual, ["constant_function"]),
        (lambda step, usual: None if step >= 100 else usual, ["constant_function"]),
        (lambda step, usual: None if step >= 25 else usual, ["constant_function"]),
        (lambda step, usual: None if step % 15 == 0 else usual, []),
        (lambda step, usual: usual * (0.25 if step >= 100 else 1), ["reward_collapse"]),
        (lambda step, usual: min(usual + step / 200, 1.0), []),  # it is satisfied in the end
    ],
)
def test_one_function_alone(judge: Callable[[int, float], float | None], found: list[str]) -> None:
    """A function that breaks is found under a total that goes on."""
    diagnosis = Diagnosis()
    findings = [f for event in _two_functions(judge) for f in diagnosis.observe(event)]
    assert found == [f.signal for f in findings]
    assert all("judge" in f.evidence.message for f in findings)


def test_a_function_that_takes_over_from_another_one() -> None:
    """A function that has no values because another kind of problem has begun is no finding."""
    events = _two_functions(lambda step, usual: usual if step < 100 else None)
    for event in events[100:]:
        event["rewards/code/mean"] = 0.4 + 0.01 * (event["step"] % 7)
    diagnosis = Diagnosis()
    assert [] == [f.signal for event in events for f in diagnosis.observe(event)]


def _by_difficulty(is_learning: bool) -> list[dict[str, Any]]:
    """Return reports in which harder problems have longer and fewer correct completions."""
    rng = np.random.default_rng(17)
    events: list[dict[str, Any]] = []
    for step in range(200):
        learned = 0.3 * step / 200 * is_learning
        hard = 0.08 * float(rng.standard_normal())
        correct = 0.4 + learned - hard + 0.03 * float(rng.standard_normal())
        depth = 0.5 + learned + hard + 0.03 * float(rng.standard_normal())
        report = {"rewards/correctness/mean": correct, "rewards/depth/mean": depth}
        events.append({"event": "training", "step": step, "reward": correct + depth, **report})
    return events


@pytest.mark.parametrize("is_learning", [False, True])
def test_functions_that_rise_together(is_learning: bool) -> None:
    """Two functions that both rise don't contradict each other, whatever harder problems do."""
    diagnosis = Diagnosis()
    found = {f.signal for event in _by_difficulty(is_learning) for f in diagnosis.observe(event)}
    assert ("anti_correlated_functions" in found) is not is_learning


@pytest.mark.parametrize(("within", "is_found"), [(-1.0, True), (1.0, False)])
def test_functions_are_correlated_within_groups(within: float, is_found: bool) -> None:
    """That harder problems have other rewards is no correlation of the functions."""
    rng = np.random.default_rng(18)
    diagnosis = Diagnosis()
    found = []
    for step in range(60):
        hard = rng.normal(0, 1, 8).repeat(8)
        own = 0.3 * rng.standard_normal(64)
        lists = {"rewards/correctness": own - hard, "rewards/depth": within * own + hard}
        event = {name: values.tolist() for name, values in lists.items()}
        found += diagnosis.observe({"event": "reward", "step": step, "num_generations": 8, **event})
    assert ["anti_correlated_functions"] * is_found == [f.signal for f in found]


@pytest.mark.parametrize(
    ("score", "mean", "std", "is_found"),
    [
        (10, -0.01, 0.05, False),  # a penalty that few completions get
        (10, -0.03, 0.03, True),  # one that most of them get
        (40, 0.03, 0.03, True),  # the score's spread is small compared with its mean
        (10, 0.06, 0.01, False),  # a function that nearly all of them satisfy
    ],
)
def test_a_small_function_beside_a_large_one(
    score: float, mean: float, std: float, is_found: bool
) -> None:
    """Only a function that varies is dominated, however the other one's mean and spread relate."""
    rng = np.random.default_rng(19)
    diagnosis = Diagnosis()
    found = []
    for step in range(60):
        report = {"rewards/score/mean": score + float(rng.standard_normal())}
        report |= {"rewards/score/std": 8.0}
        small = mean * (1 + 0.1 * float(rng.standard_normal()))
        report |= {"rewards/small/mean": small, "rewards/small/std": std}
        report |= {"reward": report["rewards/score/mean"] + small}
        found += diagnosis.observe({"event": "training", "step": step, **report})
    assert ["dominating_function"] * is_found == [f.signal for f in found]


@pytest.mark.parametrize(("lost", "is_found"), [(0.0, False), (0.2, True)])
def test_brevity_that_costs_correct_answers(lost: float, is_found: bool) -> None:
    """A gain in reward excuses short completions, unless fewer answers are correct."""
    rng = np.random.default_rng(20)
    diagnosis = Diagnosis()
    found = set()
    for step in range(150):
        short = min(1.0, max(0, step - 50) / 50)
        correct = 0.5 - lost * short + 0.02 * float(rng.standard_normal())
        tokens = 300 * (1 - 0.7 * short)
        report = {"rewards/correctness/mean": correct, "rewards/brevity/mean": -tokens / 300}
        report |= {"reward": correct - tokens / 300, "completions/mean_length": tokens}
        found |= {
            f.signal for f in diagnosis.observe({"event": "training", "step": step, **report})
        }
    assert ("length_collapse" in found) is is_found


@pytest.mark.parametrize(
    ("name", "metric"),
    [
        ("batch/off_policy_level/mean", "staleness"),
        ("batch/async_level", "staleness"),
        ("mismatch_kl/mean", "mismatch_kl"),
        ("response_clip_ratio", "completions/clipped_ratio"),
        ("train/mean_gen_tokens_per_sample", "completions/mean_length"),
        ("train/approx_entropy", "entropy"),
        ("train/token_mult_prob_error", "token_mult_prob_error"),
        ("train/max_gen_tokens_per_sample", "completions/max_length"),
        ("decode_len/all/max", "completions/max_length"),
        ("timing/train/total_step_time", "step_time"),
        ("train/truncated", "completions/clipped_ratio"),
        ("train/rollout/truncated_rate", "completions/clipped_ratio"),
        ("train/group_reward_std", "reward_std"),
        ("tool_call_counts/mean", "tools/call_frequency"),
        ("solve_none/all", "frac_none_correct"),
        ("error/all/mean", "rollout_errors"),
        ("train/agg/all/has_error/mean", "rollout_errors"),
        ("train/agg/effective/agent/reward/mean", "reward"),
        ("train/code/effective/agent/reward/mean", "rewards/code/mean"),
    ],
)
def test_names_of_other_trainers(name: str, metric: str) -> None:
    """The names under which prime-rl, OpenRLHF, verl and NeMo-RL report a metric are known."""
    found = find_metric(name)
    assert found is not None
    assert metric == found[0]


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize(
    ("is_skipped", "found_at"),
    [
        (lambda step: step <= 10 or step % 90 == 0, None),  # how a scaler of the loss skips steps
        (lambda step: step in (1, 3, 4, 200, 201), None),
        (lambda step: step >= 100, 104),
        (lambda step: step % 5 == 0, 45),  # from the start on
        (lambda step: True, 15),
    ],
)
def test_steps_that_a_scaler_skips(
    value: float, is_skipped: Callable[[int], bool], found_at: int | None
) -> None:
    """Gradients that overflow now and then, or at the start, are normal; five in 50 aren't."""
    diagnosis = Diagnosis()
    found = []
    for step in range(1, 301):
        report = {"loss": 0.1 * (step % 2), "grad_norm": value if is_skipped(step) else 0.5}
        found += diagnosis.observe({"event": "training", "step": step, **report})
    expected = [] if found_at is None else [("nonfinite_gradient", found_at)]
    assert expected == [(f.signal, f.step) for f in found if f.over_since is None]


def test_a_metric_that_is_seldom_infinite() -> None:
    """One infinite divergence in 60 reports is no evidence; one in ten is."""
    found = dict[int, set[str]]()
    for every in (60, 10):
        diagnosis = Diagnosis()
        events = (
            {"event": "training", "step": n, "kl": 0.02 if n % every else math.inf}
            for n in range(1, 301)
        )
        found[every] = {f.signal for event in events for f in diagnosis.observe(event)}
    assert {60: set(), 10: {"nonfinite_metric"}} == found


def _with_slow_steps(is_slow: Callable[[int], bool], lengths: bool = False) -> set[str]:
    """Return what is found if some of 300 steps take four times as long."""
    rng = np.random.default_rng(21)
    diagnosis = Diagnosis()
    found = set()
    for step in range(1, 301):
        times = 4 if is_slow(step) else 1
        report = {"step_time": 20 * times * float(rng.lognormal(0, 0.1))}
        report |= {"completions/max_length": 600.0 * (times if lengths else 1)}
        event = {"event": "training", "step": step, **report}
        found |= {f.signal for f in diagnosis.observe(event)}
    return found


@pytest.mark.parametrize(
    "is_slow",
    [
        lambda step: step % 10 == 0,  # evaluations
        lambda step: step % 10 == 0 and step > 100,  # that begin late
        lambda step: step % 10 == 0 or step % 25 == 0,  # and checkpoints
        lambda step: 150 < step <= 158,  # one disturbance
        lambda step: step > 150,  # a larger batch
        lambda step: step * 7 % 11 < 2,  # two sets of problems
    ],
)
def test_slow_steps_that_are_expected(is_slow: Callable[[int], bool]) -> None:
    """Slow steps that were always there, have a schedule, or pass are no evidence."""
    assert not _with_slow_steps(is_slow)


def test_stragglers() -> None:
    """Slow steps that become frequent are found, unless they have longer completions to make."""
    late = set(np.random.default_rng(22).choice(np.arange(150, 301), 30, replace=False).tolist())
    assert {"slow_steps"} == _with_slow_steps(lambda step: step in late)
    assert not _with_slow_steps(lambda step: step in late, lengths=True)


@pytest.mark.parametrize(("slowdown", "is_found"), [(1.0, False), (2.5, True)])
@pytest.mark.parametrize("tokens", [{}, {"num_tokens": 1}, {"perf/throughput": 1}])
def test_a_length_limit_that_is_raised(
    slowdown: float, is_found: bool, tokens: dict[str, int]
) -> None:
    """A step that waits for longer completions isn't slower; one that takes longer still is."""
    rng = np.random.default_rng(23)
    diagnosis = Diagnosis()
    found, total = set(), 0.0
    for step in range(1, 301):
        ramp = min(1.0, max(0.0, (step - 100) / 60))
        mean, longest = 270 + 70 * ramp, 510 + 1_000 * ramp
        seconds = (4 + 0.03 * longest) * (1 + (slowdown - 1) * ramp) * float(rng.lognormal(0, 0.07))
        total += 64 * mean
        report = {"step_time": seconds, "completions/mean_length": mean}
        report |= {"completions/max_length": longest}
        known = {"num_tokens": total, "perf/throughput": 64 * mean / seconds}
        report |= {name: known[name] for name in tokens}
        found |= {
            f.signal for f in diagnosis.observe({"event": "training", "step": step, **report})
        }
    assert ({"throughput_decay"} if is_found else set()) == found - {"length_growth"}


@pytest.mark.parametrize(
    ("metric", "usual", "disagreeing"),
    [
        ("train/token_mult_prob_error", 1.01, 1.16),
        ("training/rollout_probs_diff_mean", 0.004, 0.05),
        ("rollout_corr/kl", 0.001, 0.08),
        ("sampling/sampling_logp_difference/mean", 0.015, 0.15),
    ],
)
def test_a_sampler_that_disagrees_more_and_more(
    metric: str, usual: float, disagreeing: float
) -> None:
    """Measures of the disagreement are found when they have grown; a constant one is usual."""
    for level, expected in ((usual, set()), (disagreeing, {"importance_ratio_off"})):
        rng = np.random.default_rng(24)
        diagnosis = Diagnosis()
        found = set()
        for step in range(200):
            value = usual + (level - usual) * min(1.0, max(0.0, (step - 60) / 80))
            value += 0.02 * usual * float(rng.standard_normal()) * (metric[:7] != "train/t")
            event = {"event": "training", "step": step, metric: value}
            found |= {f.signal for f in diagnosis.observe(event)}
        assert expected == found


@pytest.mark.parametrize(("lost", "signals"), [(0.0, []), (0.5, ["kl_runaway"])])
def test_a_divergence_that_accelerates_while_the_reward_falls(
    lost: float, signals: list[str]
) -> None:
    """With a loss in reward, a divergence that accelerates is found at a fifth of the level."""
    rng = np.random.default_rng(25)
    diagnosis = Diagnosis()
    found = []
    for step in range(200):
        ramp = max(0, step - 140) / 60
        report = {"kl": 1e-4 * step * 15**ramp * float(rng.lognormal(0, 0.1))}
        report |= {"reward": 0.6 + step / 300 - lost * ramp + 0.02 * float(rng.standard_normal())}
        found += diagnosis.observe({"event": "training", "step": step, **report})
    assert signals == [f.signal for f in found]


def test_a_model_that_overfits_without_rewards() -> None:
    """The loss of evaluations rises while that of a supervised training falls."""
    diagnosis = Diagnosis()
    found = []
    for step in range(1, 101):
        loss = {"event": "training", "step": step, "loss": 1.5 * math.exp(-step / 40)}
        found += diagnosis.observe(loss)
        if not step % 8:
            loss = {"event": "evaluation", "step": step, "eval_loss": 1.0 + abs(step - 40) / 100}
            found += diagnosis.observe(loss)
    assert ["evaluation_falling"] == [f.signal for f in found]


def _reported(metric: str, value: Callable[[int], float]) -> list[dict[str, Any]]:
    rng = np.random.default_rng(7)
    return [
        {
            "event": "training",
            "step": step,
            "reward": 0.3 + step / 500 + 0.03 * float(rng.standard_normal()),
            metric: value(step) + 0.1 * float(rng.standard_normal()),
        }
        for step in range(120)
    ]


@pytest.mark.parametrize(
    ("events", "signals"),
    [
        (_reported("critic/vf_explained_var", lambda _step: -0.4), ["value_divergence"]),
        (_reported("critic/vf_explained_var", lambda step: -0.8 + step / 240), []),
        (_reported("critic/vf_explained_var", lambda _step: 0.0), []),
        (_reported("kl", lambda _step: 3.5), ["kl_runaway"]),
        (_reported("kl", lambda step: 2.7 * min(1, step / 60)), ["kl_runaway"]),
        (_reported("kl", lambda step: 1.5 * min(1, step / 60)), []),
        (_reported("kl", lambda step: 0.3 + step / 600), []),
    ],
)
def test_what_is_bad_whatever_it_was_before(
    events: list[dict[str, Any]], signals: list[str]
) -> None:
    """What never was good, or became bad slowly, is named by its level."""
    diagnosis = Diagnosis()
    assert signals == [f.signal for event in events for f in diagnosis.observe(event)]


@pytest.mark.parametrize(
    ("copies", "words", "signals"),
    [(8, 20, ["duplicate_answers"]), (4, 20, []), (8, 2, [])],
)
def test_copies_from_the_start(copies: int, words: int, signals: list[str]) -> None:
    """Copies of a solution since the start are found after fifteen batches; labels may be equal."""
    diagnosis = Diagnosis()
    found = []
    for step in range(40):
        for index in range(8):
            text = f"problem {step}: {words * 'more '}{0 if index < copies else index}"
            output = {"event": "model_output", "step": step, "group": 0, "model_output": text}
            found += diagnosis.observe({**output, "id": f"c-{step}-{index}"})
    assert signals == [f.signal for f in found]


@pytest.mark.parametrize(
    ("grown", "signals"),
    [
        (lambda n: max(0.0, n - 300) / 1000, ["memory_growth"]),  # 10 % in 100 samples
        (lambda n: max(0.0, n - 300) / 2000, ["memory_growth"]),
        (lambda n: 0.5 * (1 - math.exp(-n / 300)), []),  # a cache that fills up
        (lambda n: 0.2 * math.sin(n / 20), []),
        (lambda n: 0.1 * n / 1500, []),  # less than 15 % in five hours
    ],
)
def test_memory_that_grows_for_hours(grown: Callable[[int], float], signals: list[str]) -> None:
    """A slow leak is found among samples of each ten seconds over hours."""
    rng = np.random.default_rng(8)
    diagnosis = Diagnosis()
    found = []
    for n in range(1500):
        used = 4e10 * (1 + grown(n)) * (1 + 0.01 * float(rng.standard_normal()))
        found += diagnosis.observe({"event": "system", "gpu/0/memory_used_bytes": used})
    assert signals == [f.signal for f in found]


def test_noisy_evaluations_of_rare_rewards() -> None:
    """Evaluations of a few rarely solved problems scatter around the training without a gap."""
    found = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        diagnosis = Diagnosis()
        for step in range(1, 401):
            solved = 0.05 + 0.2 * step / 400
            events = [{"event": "training", "step": step, "reward": rng.binomial(32, solved) / 32}]
            if not step % 33:
                reward = rng.binomial(100, 0.95 * solved) / 100
                events.append({"event": "evaluation", "step": step, "eval_reward": reward})
            found += [f.signal for event in events for f in diagnosis.observe(event)]
    assert "evaluation_gap" not in found


def _always(metric: str, value: float, reports: int, every: int) -> list[dict[str, Any]]:
    """Return reports, one every some steps, in which a metric has a level from the start."""
    rng = np.random.default_rng(9)
    return [
        {
            "event": "training",
            "step": number * every,
            "reward": 0.3 + number / 200 + 0.02 * float(rng.standard_normal()),
            metric: value + 0.01 * float(rng.standard_normal()),
        }
        for number in range(1, reports + 1)
    ]


@pytest.mark.parametrize(
    ("metric", "signal"),
    [
        ("completions/clipped_ratio", "truncation"),
        ("clip_ratio/region_mean", "clip_saturation"),
        ("tools/failure_frequency", "tool_failures"),
        ("quality/repetition/mean", "repetition"),
    ],
)
@pytest.mark.parametrize(
    ("reports", "every", "is_finished", "is_found"),
    [
        (59, 1, False, False),
        (60, 1, False, True),
        (19, 10, True, False),
        (20, 10, False, True),
        (20, 1, True, True),
        (40, 1, False, False),
    ],
)
def test_a_level_that_is_too_high_from_the_start(
    metric: str, signal: str, reports: int, every: int, is_finished: bool, is_found: bool
) -> None:
    """Sixty steps are enough, however many reports they are, and fewer at the end of a run."""
    events = _always(metric, 0.9, reports, every)
    if is_finished:
        events.append({"event": "run_finished", "status": "finished"})
    diagnosis = Diagnosis()
    found = [f.signal for event in events for f in diagnosis.observe(event)]
    assert [signal] * is_found == found


@pytest.mark.parametrize(("end", "signals"), [(0.58, ["truncation"]), (0.4, [])])
def test_truncation_that_becomes_less(end: float, signals: list[str]) -> None:
    """If most completions are truncated from the start, only a clear fall is a reason to wait."""
    events = _always("completions/clipped_ratio", 0.0, 80, 1)
    for event in events:
        event["completions/clipped_ratio"] += 0.68 + (end - 0.68) * event["step"] / 80
    diagnosis = Diagnosis()
    assert signals == [f.signal for event in events for f in diagnosis.observe(event)]


@pytest.mark.parametrize(("usual", "is_found"), [(0.004, True), (0.08, False)])
def test_clipping_that_has_multiplied(usual: float, is_found: bool) -> None:
    """A fifth of the tokens is much for an algorithm that usually clips one in a hundred."""
    rng = np.random.default_rng(21)
    diagnosis = Diagnosis()
    found = []
    for step in range(150):
        share = usual + (0.2 - usual) * min(1.0, max(0, step - 60) / 40)
        share *= math.exp(0.2 * rng.standard_normal())
        report = {"clip_ratio/region_mean": share, "reward": 0.3 + step / 500}
        found += diagnosis.observe({"event": "training", "step": step, **report})
    assert ["clip_saturation"] * is_found == [f.signal for f in found]


@pytest.mark.parametrize(
    ("right", "answered", "is_found"),
    [
        (lambda late: 0.4 - 0.3 * late, 1.0, True),  # several answers, one of which is rewarded
        (lambda late: 0.4 + 0.3 * late, 1.0, False),
        (lambda late: 0.4, lambda late: 1 - 0.8 * late, False),  # another form, without an answer
        (lambda late: 0.9 - 0.6 * late, lambda late: 0.2 + 0.8 * late, False),  # more answers
    ],
)
def test_answers_that_are_rewarded_but_wrong(
    right: Callable[[float], float], answered: Any, is_found: bool
) -> None:
    """That fewer answers are right is found under a reward for correctness that rises."""
    rng = np.random.default_rng(22)
    diagnosis = Diagnosis()
    found = []
    for step in range(160):
        late = min(1.0, max(0, step - 60) / 60)
        has_answer = answered if isinstance(answered, float) else answered(late)
        for index in range(16):
            correct = bool(rng.random() < right(late)) if rng.random() < has_answer else None
            event = {"event": "model_output", "step": step, "group": index // 8, "index": index}
            text = f"{step}: {index} is what comes out of it"
            found += diagnosis.observe({**event, "model_output": text, "quality/correct": correct})
        accuracy = 0.4 + 0.5 * late + 0.02 * float(rng.standard_normal())
        report = {"reward": accuracy, "rewards/accuracy/mean": accuracy}
        found += diagnosis.observe({"event": "training", "step": step, **report})
    assert ["reward_without_correctness"] * is_found == [f.signal for f in found]


def test_correctness_falls_under_a_reward_far_from_zero() -> None:
    """A gain is large or small compared with the spread of rewards, wherever their zero is."""
    rng = np.random.default_rng(23)
    diagnosis = Diagnosis()
    found = []
    for step in range(120):
        late = min(1.0, max(0, step - 40) / 40)
        correct = 0.5 - 0.3 * late + 0.02 * float(rng.standard_normal())
        style = 40 + 6 * late + 0.3 * float(rng.standard_normal())
        report = {"rewards/correctness/mean": correct, "rewards/style/mean": style}
        report |= {"reward": correct + style, "reward_std": 8.0}
        found += diagnosis.observe({"event": "training", "step": step, **report})
    assert ["reward_without_correctness"] == [f.signal for f in found]


@pytest.mark.parametrize(
    ("started", "reports", "is_found"),
    [
        ({"hyperparameters/beta": 0.04}, {}, True),
        ({"hyperparameters/actor_rollout_ref.actor.kl_loss_coef": 0.001}, {}, True),
        ({"hyperparameters/beta": 0.0}, {}, False),
        ({}, {}, False),  # OpenRLHF reports 0 without a reference
        ({"hyperparameters/beta": 0.04}, {"learning_rate": 0.0}, False),
        ({"hyperparameters/beta": 0.04}, {"kl": 1e-9}, False),
        ({"hyperparameters/beta": 0.04}, {"reward": None}, False),  # KTO cuts it off at 0
    ],
)
def test_a_reference_that_is_the_policy(
    started: dict[str, Any], reports: dict[str, Any], is_found: bool
) -> None:
    """A divergence of exactly zero is a problem where it is penalized and the policy is trained."""
    rng = np.random.default_rng(24)
    diagnosis = Diagnosis()
    found = diagnosis.observe({"event": "run_started", **started})
    for step in range(40):
        report = {"reward": float(rng.random()), "grad_norm": float(rng.random())}
        report |= {"kl": 0.0, "learning_rate": 1e-6, **reports}
        found += diagnosis.observe({"event": "training", "step": step, **report})
    signals = {f.signal for f in found}
    assert ("reference_is_policy" in signals) is is_found


@pytest.mark.parametrize(
    ("calls", "gain", "is_found"),
    [
        (lambda late: 1 - late, 0.0, True),
        (lambda late: 1 - late, 0.3, False),  # it solves more without tools
        (lambda late: 1 - 0.7 * late, 0.0, False),
    ],
)
def test_tools_that_are_not_called_any_more(
    calls: Callable[[float], float], gain: float, is_found: bool
) -> None:
    """Completions without tool calls are found, unless more of them are correct."""
    rng = np.random.default_rng(25)
    diagnosis = Diagnosis()
    found = []
    for step in range(150):
        late = min(1.0, max(0, step - 50) / 40)
        for index in range(16):
            event = {"event": "model_output", "step": step, "group": index // 8, "index": index}
            event |= {"tool_calls": int(rng.poisson(2 * calls(late))), "tool_failures": 0}
            found += diagnosis.observe({**event, "model_output": f"{step}: the text {index}"})
        correct = 0.4 + gain * late + 0.02 * float(rng.standard_normal())
        # A call has a price, so that the reward rises without them.
        report = {"reward": correct - calls(late), "rewards/correctness/mean": correct}
        found += diagnosis.observe({"event": "training", "step": step, **report})
    assert ("tools_abandoned" in {f.signal for f in found}) is is_found


@pytest.mark.parametrize(
    ("calls", "gain", "lost", "is_found"),
    [
        (lambda late: 2 + 12 * late, 0.0, 0.0, True),
        (lambda late: 2 + 12 * late, 0.3, 0.0, False),  # it solves more with more calls
        (lambda late: 2 + 12 * late, 0.3, 0.4, False),  # until the problems become harder
        (lambda late: 0.5 + 2 * late, 0.0, 0.0, False),  # not each completion had a call
    ],
)
def test_tools_that_are_called_again_and_again(
    calls: Callable[[float], float], gain: float, lost: float, is_found: bool
) -> None:
    """Calls that multiply are found although they are rewarded, unless more answers are correct."""
    rng = np.random.default_rng(26)
    diagnosis = Diagnosis()
    found = []
    for step in range(200):
        late = min(1.0, max(0, step - 50) / 40)
        correct = 0.4 + gain * late - lost * (step >= 140) + 0.02 * float(rng.standard_normal())
        number = calls(late) * (1 + 0.05 * float(rng.standard_normal()))
        report = {"reward": correct + number, "rewards/correctness/mean": correct}
        report["tools/call_frequency"] = number
        found += diagnosis.observe({"event": "training", "step": step, **report})
    assert ("tool_calls_growth" in {f.signal for f in found}) is is_found


@pytest.mark.parametrize(
    ("missing", "is_found"),
    [
        (lambda late, code: (0.5 * late, 0.0), True),
        (lambda late, code: (0.5 * late, 0.5), True),
        (lambda late, code: (code < 0.5, code >= 0.5), False),  # each has its own task
        # There are more and more problems of the other task.
        (lambda late, code: (code < 0.8 * late, code >= 0.8 * late), False),
    ],
)
@pytest.mark.parametrize("nothing", [None, math.nan])
def test_a_verifier_that_fails_for_some(
    missing: Callable[[float, float], tuple[float, float]], is_found: bool, nothing: float | None
) -> None:
    """A function without values for more and more completions is found, if its task isn't rarer."""
    rng = np.random.default_rng(27)
    diagnosis = Diagnosis()
    found = []
    for step in range(200):
        lists: dict[str, list[float | None]] = {"rewards/answer": [], "rewards/tests": []}
        for code in rng.random(32):
            shares = missing(min(1.0, max(0, step - 80) / 40), float(code))
            for values, share in zip(lists.values(), shares, strict=True):
                values.append(nothing if rng.random() < share else float(rng.random()))
        found += diagnosis.observe({"event": "reward", "step": step, **lists})
    named = [f.evidence.message for f in found if f.signal == "missing_rewards"]
    assert is_found == bool(named)
    assert all(message.startswith("answer has no value for") for message in named)


@pytest.mark.parametrize("metric", ["batch/solve_none", "train/truncated", "error/mean"])
def test_a_count_is_no_share(metric: str) -> None:
    """A number of groups or completions under the name of a share raises nothing."""
    diagnosis = Diagnosis()
    found = []
    for step in range(200):
        report = {metric: 3.0 + min(step // 10, 9) + step % 2, "reward": 0.5 + 0.1 * (step % 3)}
        found += diagnosis.observe({"event": "training", "step": step, **report})
    assert [] == [f.signal for f in found if f.signal != "reward_plateau"]


@pytest.mark.parametrize(("gain", "signals"), [(0.0, ["reward_without_correctness"]), (0.25, [])])
def test_a_function_that_is_added(gain: float, signals: list[str]) -> None:
    """A new function that pays more than correctness can is named where correctness is flat."""
    rng = np.random.default_rng(28)
    diagnosis = Diagnosis()
    found = []
    for step in range(240):
        late = min(1.0, max(0, step - 100) / 60)
        correct = 0.5 + gain * late + 0.02 * float(rng.standard_normal())
        form = 0.4 + 0.05 * late + 0.02 * float(rng.standard_normal())
        report = {"rewards/correctness/mean": correct, "rewards/format/mean": form}
        if step >= 100:
            report["rewards/tool_use/mean"] = 0.1 + 10 * late
        total = sum(report.values())
        found += diagnosis.observe({"event": "training", "step": step, "reward": total, **report})
    assert signals == [f.signal for f in found]
    assert all("the policy learns tool_use instead" in f.evidence.message for f in found)


@pytest.mark.parametrize(
    ("prompt", "is_found"),
    [("What is {}?", True), ("{} 是多少? 请回答这个问题", False), (None, False)],
)
def test_completions_that_drift_into_another_language(prompt: str | None, is_found: bool) -> None:
    """More and more completions in a script that their prompts don't have are found, and named."""
    rng = np.random.default_rng(26)
    diagnosis = Diagnosis()
    found = []
    for step in range(100):
        for index in range(8):
            is_chinese = rng.random() < min(0.8, max(0, step - 30) / 50)
            text = (
                f"{step}: so the {index} is added. {'然后减去送出的数量。' if is_chinese else ''}"
            )
            event = {"event": "model_output", "step": step, "group": 0, "model_output": text}
            asked = None if prompt is None else prompt.format(step)
            found += diagnosis.observe({**event, "id": f"{step}-{index}", "prompt": asked})
    assert ["language_mixing"] * is_found == [f.signal for f in found]
    assert all(f.completions for f in found)


def test_evaluations_fall_far_below_the_training() -> None:
    """A fall of evaluations is large compared with them, not with a reward that is much higher."""
    rng = np.random.default_rng(27)
    diagnosis = Diagnosis()
    found = []
    for step in range(1, 201):
        late = min(1, step / 100)
        reward = 0.8 + 0.6 * late + 0.02 * float(rng.standard_normal())
        report = {"reward": reward, "reward_std": 0.4 - 0.3 * late}
        found += diagnosis.observe({"event": "training", "step": step, **report})
        if not step % 10:
            reward = 0.7 - 0.18 * late + 0.01 * float(rng.standard_normal())
            found += diagnosis.observe({"event": "evaluation", "step": step, "reward": reward})
    assert "evaluation_falling" in {f.signal for f in found}


@pytest.mark.parametrize("decimals", [3, 4, 8])
@pytest.mark.parametrize("first_zero", [0, 30])
def test_a_learning_rate_that_a_console_has_rounded(decimals: int, first_zero: int) -> None:
    """A rate that is printed as zero, as every small number is, is not taken for zero."""
    rng = np.random.default_rng(10)
    found = []
    diagnosis = Diagnosis()
    for step in range(80):
        report = {"reward": 0.3 + step / 200, "grad_norm": 0.5 * math.exp(rng.normal(0, 0.1))}
        report = {name: round(value, decimals) for name, value in report.items()}
        rate = {"learning_rate": 0.0 if step >= first_zero else 1e-3}
        found += diagnosis.observe({"event": "training", "step": step, **report, **rate})
    assert ["learning_rate_zero"] * (decimals > 4) == [f.signal for f in found]


@pytest.mark.parametrize(
    ("difference", "is_found"),
    [(lambda _step: 0.01, False), (lambda step: 0.01 + 0.01 * (step > 60), True), (None, True)],
)
def test_a_ratio_of_whole_sequences(
    difference: Callable[[int], float] | None, is_found: bool
) -> None:
    """A ratio that only shrinks because completions become longer says nothing of the sampler."""
    rng = np.random.default_rng(11)
    diagnosis = Diagnosis()
    found = []
    for step in range(120):
        tokens = 200 if step < 60 else 1_200
        noise = math.exp(0.05 * rng.standard_normal())
        report = {"sampling/importance_sampling_ratio/mean": noise * math.exp(-tokens / 3_000)}
        if difference is not None:
            report["sampling/sampling_logp_difference/mean"] = noise * difference(step)
        found += diagnosis.observe({"event": "training", "step": step, **report})
    assert ["importance_ratio_off"] * is_found == [f.signal for f in found]


def _with_equal_groups(rng: np.random.Generator, gain: float) -> list[dict[str, Any]]:
    """Return the reports of a finished run of single groups, 60 % of which have no spread."""
    events: list[dict[str, Any]] = []
    for step in range(600):
        is_equal = rng.random() < 0.6
        report = {
            "reward": 0.45 + gain * step / 600 + 0.25 * float(rng.standard_normal()),
            "reward_std": 0.0 if is_equal else 0.5,
            "frac_reward_zero_std": float(is_equal),
        }
        events.append({"event": "training", "step": step, **report})
    return [*events, {"event": "run_finished", "status": "finished"}]


def test_a_flat_reward_of_few_groups_with_a_spread() -> None:
    """What could be gained is measured by the groups that have a spread."""
    found = dict.fromkeys((0.0, 0.25), 0)
    for gain in found:
        for seed in range(10):
            diagnosis = Diagnosis()
            events = _with_equal_groups(np.random.default_rng(seed), gain)
            signals = [f.signal for event in events for f in diagnosis.observe(event)]
            found[gain] += "reward_plateau" in signals
    assert found[0.0] >= 6
    assert 0 == found[0.25]


@pytest.mark.parametrize(("reports", "least", "most"), [(30, 14, 20), (1, 0, 0)])
def test_steps_that_took_longer_early_in_a_run(reports: int, least: int, most: int) -> None:
    """A slow rise is told from a larger batch when noise has hidden both for a while, too."""
    found = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        diagnosis = Diagnosis()
        for step in range(100):
            seconds = (1 + 2 * min(1, max(0, step - 8) / reports)) * math.exp(rng.normal(0, 0.15))
            report = {"step_time": seconds, "completions/mean_length": 200.0 + step % 3}
            found += bool(diagnosis.observe({"event": "training", "step": step, **report}))
    assert least <= found <= most


@pytest.mark.parametrize(("samples", "signals"), [(45, ["memory_growth"]), (10, [])])
def test_memory_that_grows_at_the_end_of_a_short_run(samples: int, signals: list[str]) -> None:
    """A leak of the last 45 samples is found, and a cache that fills up within ten is none."""
    diagnosis = Diagnosis()
    found = []
    for n in range(100):
        used = 5e9 * (1 + 2 * min(1, max(0, n - 54) / samples)) * (1 + 1e-5 * (n % 10))
        found += diagnosis.observe({"event": "system", "process_memory_bytes": used})
    assert signals == [f.signal for f in found]


@pytest.mark.parametrize(("every", "is_found"), [(10, True), (1, False)])
def test_a_reward_without_correctness_by_steps(every: int, is_found: bool) -> None:
    """That correctness is flat, 35 reports of ten steps each say, but not of one step each."""
    rng = np.random.default_rng(14)
    diagnosis = Diagnosis()
    found = []
    for number in range(1, 76):
        correct, style = 0.3 + 0.01 * float(rng.standard_normal()), 0.6 * (number > 40)
        report = {"reward": correct + style, "rewards/correctness/mean": correct}
        report |= {"rewards/style/mean": style}
        found += diagnosis.observe({"event": "training", "step": number * every, **report})
    assert ["reward_without_correctness"] * is_found == [f.signal for f in found]


@pytest.mark.parametrize(
    ("highest", "loss", "is_found"), [(0.7, 0.0, False), (0.7, 0.2, True), (1.5, 0.0, True)]
)
def test_a_divergence_while_answers_are_right(highest: float, loss: float, is_found: bool) -> None:
    """A divergence must be twice as large while as many answers are right as ever."""
    rng = np.random.default_rng(20)
    diagnosis = Diagnosis()
    found = []
    for step in range(200):
        late = max(0.0, (step - 100) / 100)
        correct = 0.5 - loss * late + 0.02 * float(rng.standard_normal())
        report = {"reward": correct, "rewards/correct/mean": correct}
        kl = (0.05 + (highest - 0.05) * late**2) * math.exp(0.05 * float(rng.standard_normal()))
        found += diagnosis.observe({"event": "training", "step": step, **report, "kl": kl})
    assert ["kl_runaway"] * is_found == [f.signal for f in found if f.signal == "kl_runaway"]


@pytest.mark.parametrize(("gain", "is_found"), [(0.0, True), (0.3, False)])
def test_a_plateau_after_a_rise_with_evaluations(gain: float, is_found: bool) -> None:
    """Evaluations that rose before the plateau say nothing about it; those that rise still do."""
    rng = np.random.default_rng(21)
    diagnosis = Diagnosis()
    found = []
    for step in range(400):
        level = 0.1 + 0.35 * min(1.0, step / 80)
        report = {"reward": level + 0.02 * float(rng.standard_normal())}
        found += diagnosis.observe({"event": "training", "step": step, **report})
        if not step % 10:
            accuracy = level + gain * step / 400 + 0.01 * float(rng.standard_normal())
            event = {"event": "evaluation", "step": step, "accuracy": accuracy}
            found += diagnosis.observe(event)
    assert ["reward_plateau"] * is_found == [
        f.signal for f in found if f.signal == "reward_plateau"
    ]


@pytest.mark.parametrize(("end", "is_over"), [("style", True), ("correct", True), ("none", False)])
def test_how_long_a_reward_hack_lasts(end: str, is_over: bool) -> None:
    """A hack is over when the reward loses its gain, or correctness follows, and not before."""
    rng = np.random.default_rng(18)
    diagnosis = Diagnosis()
    found = []
    for step in range(1200):
        late = step > 600
        correct = (0.1 + 0.7 * (late and end == "correct")) + 0.03 * float(rng.standard_normal())
        style = min(1.5, step / 60) * (not (late and end == "style")) + 0.02 * float(rng.random())
        report = {"rewards/correct/mean": correct, "rewards/style/mean": style}
        found += diagnosis.observe(
            {"event": "training", "step": step, "reward": correct + style, **report}
        )
    hacks = [f for f in found if f.signal == "reward_without_correctness"]
    assert [False] + [True] * is_over == [f.over_since is not None for f in hacks]
    assert all(f.over_since is None or f.over_since > 590 for f in hacks)


def test_truncation_that_only_completions_have() -> None:
    """A reward that rises with truncation is found where no trainer reports the truncation."""
    rng = np.random.default_rng(19)
    diagnosis = Diagnosis()
    found = []
    for step in range(160):
        late = min(1.0, max(0.0, (step - 40) / 80))
        for index in range(16):
            text = f"{step} {index} the answer is {rng.random()}"
            event = {"event": "model_output", "step": step, "group": index // 8, "index": index}
            truncated = bool(rng.random() < 0.03 + 0.9 * late)
            found += diagnosis.observe({**event, "model_output": text, "truncated": truncated})
        mean = 1 + late + 0.05 * float(rng.standard_normal())
        rewards = {"rewards/thorough/mean": mean, "rewards/total/mean": mean}
        found += diagnosis.observe({"event": "reward", "step": step, **rewards})
    assert "reward_with_truncation" in [f.signal for f in found]


@pytest.mark.parametrize(
    ("metric", "before", "after", "signal"),
    [
        ("kl", 0.1, 3.0, "kl_runaway"),
        ("entropy", 1.0, 0.02, "entropy_collapse"),
        ("clip_ratio/region_mean", 0.0, 0.6, "clip_saturation"),
        ("completions/clipped_ratio", 0.0, 0.9, "truncation"),
        ("completions/mean_length", 300.0, 900.0, "length_growth"),
        ("grad_norm", 0.1, 60.0, "gradient_explosion"),
        ("loss", 0.0, 8.0, "loss_divergence"),
        ("staleness", 1.0, 15.0, "staleness"),
        ("tools/failure_frequency", 0.0, 0.7, "tool_failures"),
        ("reward", 0.5, 0.0, "reward_collapse"),
        ("frac_reward_zero_std", 0.1, 1.0, "groups_too_easy"),
    ],
)
@pytest.mark.parametrize("ramp", [1, 12])
@pytest.mark.parametrize("onset", [60, 65])
def test_a_change_without_noise(
    metric: str, before: float, after: float, signal: str, ramp: int, onset: int
) -> None:
    """A change from one constant to another isn't taken for the noise of its metric."""
    diagnosis = Diagnosis()
    found = []
    for step in range(110):
        share = min(1.0, max(0.0, (step - onset + 1) / ramp))
        report = {"reward": 0.8 + step / 1000, "loss": 0.01}
        report[metric] = before + share * (after - before)
        found += diagnosis.observe({"event": "training", "step": step, **report})
    assert signal in [f.signal for f in found]


def _with_style(
    reports: int, onset: int, correct: Callable[[int], float], noise: float
) -> list[dict[str, Any]]:
    """Return reports of correctness, and of a style whose reward rises by 0.8 in 30 reports."""
    rng = np.random.default_rng(23)
    events: list[dict[str, Any]] = []
    for step in range(reports):
        accuracy = correct(step) + noise * float(rng.standard_normal())
        style = 0.8 * min(1.0, max(0.0, (step - onset) / 30)) + 0.02 * float(rng.random())
        report = {"reward": accuracy + style, "rewards/accuracy/mean": accuracy}
        events.append({"event": "training", "step": step, **report, "rewards/style/mean": style})
    return events


@pytest.mark.parametrize(("gain", "is_found"), [(0.0, True), (0.15, False)])
def test_flat_correctness_of_few_prompts(gain: float, is_found: bool) -> None:
    """With noise of a sixth of the gain a report, correctness is flat or follows."""

    def correct(step: int) -> float:
        return 0.3 + 0.002 * min(step, 100) + gain * min(1.0, max(0.0, (step - 120) / 100))

    diagnosis = Diagnosis()
    events = _with_style(300, 110, correct, noise=0.13)
    found = [f.signal for event in events for f in diagnosis.observe(event)]
    assert ["reward_without_correctness"] * is_found == found


@pytest.mark.parametrize(("gain", "is_found"), [(0.0, True), (0.2, False)])
def test_an_early_rise_is_judged_at_the_end(gain: float, is_found: bool) -> None:
    """A format that is learned first is normal, unless correctness hasn't risen by the end."""

    def correct(step: int) -> float:
        return 0.4 + gain * step / 100

    diagnosis = Diagnosis()
    found = []
    for event in _with_style(100, 10, correct, noise=0.03):
        found += diagnosis.observe(event)
    assert [] == found
    found = diagnosis.observe({"event": "run_finished", "status": "finished"})
    assert ["reward_without_correctness"] * is_found == [f.signal for f in found]


@pytest.mark.parametrize(
    "name",
    ["val-core/{}/acc/mean@4", "val-core/{}/reward/mean@1", "eval/eval_{}_pass1", "eval/{}/avg@8"],
)
def test_one_of_several_data_sets_is_forgotten(name: str) -> None:
    """Each data set is compared with its own best evaluations, whatever the others do."""
    rng = np.random.default_rng(15)
    for lost in (0.0, 0.4):
        diagnosis = Diagnosis()
        found = []
        for step in range(1, 301):
            report = {"reward": 0.4 + step / 600 + 0.02 * float(rng.standard_normal())}
            if not step % 15:
                late = min(1, max(0, step - 120) / 90)
                levels = {
                    "math": 0.4 + step / 600,
                    "code": 0.4 + step / 600,
                    "law": 0.6 - lost * late,
                }
                report |= {
                    name.format(task): level + 0.02 * float(rng.standard_normal())
                    for task, level in levels.items()
                }
            found += diagnosis.observe({"event": "training", "step": step, **report})
        assert ["evaluation_falling"] * bool(lost) == [f.signal for f in found]
        assert all("law" in f.evidence.message for f in found)


@pytest.mark.parametrize(("share", "signals"), [(0.85, ["groups_too_hard"]), (0.4, [])])
def test_groups_without_signal_by_their_spread(share: float, signals: list[str]) -> None:
    """Where the share of groups without a spread isn't reported, reports without any tell."""
    rng = np.random.default_rng(16)
    diagnosis = Diagnosis()
    events: list[dict[str, Any]] = []
    for step in range(100):
        is_equal = rng.random() < share
        report = {"reward": 0.0, "reward_std": 0.0}
        if not is_equal:
            report = {"reward": 0.125 * (1 + step % 2 + step // 50), "reward_std": 0.3}
        events.append({"event": "training", "step": step, **report})
    events.append({"event": "run_finished", "status": "finished"})
    assert signals == [f.signal for event in events for f in diagnosis.observe(event)]


_HARD = [1.0] * 2 + [0.0] * 30
"""The correctness in four groups of eight, three of which nobody solves."""


def _hard_training(
    step: int, reported: Callable[[dict[str, Any]], dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return the events of a step whose reward is mostly that of a format that never fails."""
    rewards = {"correctness": _HARD, "format": [3.0] * 32}
    event = FlattenRewards()(None, "info", {"event": "reward", "step": step, **rewards})
    report = {"frac_reward_zero_std": 0.75, **reported(event)}
    return [{"event": "training", "step": step, **report}, event]


@pytest.mark.parametrize(
    "reported",
    [
        lambda event: {},
        lambda event: {"reward": event["rewards/total/mean"]},
        lambda event: {"reward": event["rewards/total/mean"], "reward_std": 0.1},
        lambda event: {"critic/score/mean": event["rewards/total/mean"]},
    ],
)
def test_a_total_reward_hides_no_functions(
    reported: Callable[[dict[str, Any]], dict[str, Any]],
) -> None:
    """The lists of `reward` events say how hard groups are, whatever is reported of the total."""
    diagnosis = Diagnosis()
    events = [event for step in range(400) for event in _hard_training(step, reported)]
    found = [f for event in events for f in diagnosis.observe(event)]
    (finding,) = (f for f in found if f.signal.startswith("groups"))
    assert "groups_too_hard" == finding.signal
    assert ["correctness", "format"] == diagnosis.history.functions
    assert "always" not in finding.try_next + finding.cause


def test_a_trainer_that_reports_its_functions() -> None:
    """What a trainer reports itself is not read from `reward` events again."""
    diagnosis = Diagnosis()
    report = {"reward": 0.5, "reward_std": 0.2, "rewards/a/mean": 0.5, "rewards/a/std": 0.2}
    for step in range(20):
        diagnosis.observe({"event": "training", "step": step, **report})
        diagnosis.observe({"event": "reward", "step": step, **report, "frac_all_correct": 0.1})
    history = diagnosis.history
    counts = {name: history[name].count for name in (*report, "frac_all_correct")}
    assert dict.fromkeys(counts, 20) == counts
    assert 20 == diagnosis.reports


def test_the_share_of_equal_groups_that_is_reported() -> None:
    """A share of groups without a spread is not mixed with one that is derived from the spread."""
    diagnosis = Diagnosis()
    for step in range(20):
        report = {"event": "training", "step": step, "frac_reward_zero_std": 0.75}
        diagnosis.observe(report)
        diagnosis.observe({"event": "reward", "step": step, "rewards/total/std": 0.3})
        diagnosis.observe({"event": "reward", "step": step, "reward_std": 0.3})
    assert [0.75] * 20 == diagnosis.history["frac_reward_zero_std"].recent(100)


@pytest.mark.parametrize(
    ("is_correct", "shares", "signal"),
    [
        (False, {}, "groups_too_hard"),
        (True, {}, "groups_too_easy"),
        (None, {}, "groups_too_easy"),
        (None, {"solve_all": 0.1, "solve_none": 0.8}, "groups_too_hard"),
        (None, {"solve_all": 0.8, "solve_none": 0.1}, "groups_too_easy"),
    ],
)
def test_how_hard_groups_are(
    is_correct: bool | None, shares: dict[str, float], signal: str
) -> None:
    """Right and wrong answers say how hard groups are, and the reward only without them."""
    diagnosis = Diagnosis()
    found = []
    for step in range(400):
        report = {"reward": 0.9, "reward_std": 0.0, "frac_reward_zero_std": 0.9, **shares}
        found += diagnosis.observe({"event": "training", "step": step, **report})
        output = {"event": "model_output", "step": step, "quality/correct": is_correct}
        found += diagnosis.observe(output)
    (finding,) = (f for f in found if f.signal.startswith("groups"))
    other = {"groups_too_easy": "never solve", "groups_too_hard": "always solve"}[signal]
    assert signal == finding.signal
    assert other not in finding.cause + finding.try_next


def _observe(events: list[dict[str, Any]], *, is_finished: bool = True) -> list[str]:
    """Return the signals that events raise, followed by the end of the run."""
    diagnosis = Diagnosis()
    ending = [{"event": "run_finished", "status": "finished"}] if is_finished else []
    return [finding.signal for event in events + ending for finding in diagnosis.observe(event)]


def _rewards(
    level: Callable[[int], float], reports: int = 120, noise: float = 0.03, **others: Any
) -> list[dict[str, Any]]:
    """Return reports of a reward around a level."""
    rng = np.random.default_rng(5)
    values = [level(step) + noise * float(rng.standard_normal()) for step in range(reports)]
    return [
        {"event": "training", "step": step, "reward": value, **others}
        for step, value in enumerate(values)
    ]


def _with_evaluations(
    events: list[dict[str, Any]], accuracy: Callable[[int], float], *, noise: float = 0.02
) -> list[dict[str, Any]]:
    """Return the events with an evaluation after each fifth report."""
    rng = np.random.default_rng(7)
    mixed: list[dict[str, Any]] = []
    for event in events:
        mixed.append(event)
        if (step := event["step"]) % 5 == 4:
            value = accuracy(step) + noise * float(rng.standard_normal())
            mixed.append({"event": "evaluation", "step": step, "accuracy": value})
    return mixed


@pytest.mark.parametrize(("gain", "found"), [(0.0, ["reward_plateau"]), (0.15, [])])
def test_a_flat_reward_without_a_spread(gain: float, found: list[str]) -> None:
    """A run that has learned nothing is named at its end, whether or not a spread is reported."""
    assert found == _observe(_rewards(lambda step: 0.4 + gain * step / 120))


def test_a_flat_reward_while_evaluations_rise() -> None:
    """A reward that a curriculum keeps flat is no plateau while evaluations rise."""
    events = _rewards(lambda step: 0.4)
    assert "reward_plateau" in _observe(_with_evaluations(events, lambda step: 0.4))
    assert [] == _observe(_with_evaluations(events, lambda step: 0.3 + step / 400))


@pytest.mark.parametrize("gain", [0.0, 0.04])
def test_a_reward_of_unknown_maximum_that_still_rises(gain: float) -> None:
    """A small gain that exceeds noise is no plateau, although it is below 5 % of the reward."""
    found = _observe(_rewards(lambda step: 1.3 + gain * step / 150, 150), is_finished=False)
    assert ([] if gain else ["reward_plateau"]) == found


@pytest.mark.parametrize(("duration", "found"), [(80, ["evaluation_falling"]), (1, [])])
def test_evaluations_that_fall_with_the_training(duration: int, found: list[str]) -> None:
    """A policy that is lost gradually is named; evaluations may follow a curriculum's stages."""

    def level(step: int) -> float:
        return 0.8 - 0.4 * min(1.0, max(0, step - 60) / duration)

    assert found == _observe(_with_evaluations(_rewards(level, 150), level), is_finished=False)


def test_evaluations_of_problems_that_are_never_solved() -> None:
    """What one problem of an evaluation changes says nothing about the policy."""
    events = _rewards(lambda step: 0.0004, 200, 0.0)
    shares = [0.005 if step == 24 else 0.0 for step in range(200)]
    found = _observe(_with_evaluations(events, lambda step: shares[step], noise=0.0))
    assert not {"evaluation_falling", "evaluation_gap"} & set(found)


def _jumping(factor: float, ramp: int, spread: float = 0.4) -> list[dict[str, Any]]:
    """Return reports whose reward and spread grow by a factor, from report 65 on."""
    events = _rewards(lambda step: 0.7, 100)
    for step, event in enumerate(events):
        scale = 1 + (factor - 1) * min(1.0, max(0, step - 64) / ramp)
        event["reward"] *= scale
        event["reward_std"] = spread * scale
    return events


@pytest.mark.parametrize(
    ("factor", "ramp", "is_found"), [(8, 1, True), (8, 20, False), (2, 1, False)]
)
def test_a_reward_that_changes_its_scale(factor: float, ramp: int, *, is_found: bool) -> None:
    """A reward on another scale from one report to the next is named, a fast learner isn't."""
    found = _observe(_jumping(factor, ramp), is_finished=False)
    assert is_found == ("reward_rescaled" in found)


def test_a_gap_to_another_reward() -> None:
    """A reward with a new scale or a new function isn't compared with earlier evaluations."""
    rescaled = _with_evaluations(_jumping(8, 1), lambda step: 0.7)
    assert "evaluation_gap" not in _observe(rescaled)
    longer = _rewards(lambda step: 0.7 + (step >= 60), 120)
    for event in longer:
        event["rewards/style/mean"] = 0.7
        event.update({"rewards/length/mean": 1.0} if event["step"] >= 60 else {})
    events = _with_evaluations(longer, lambda step: 0.7)
    for event in events:
        if event["event"] == "evaluation":
            event["reward"] = event.pop("accuracy")
    assert "evaluation_gap" not in _observe(events)


@pytest.mark.parametrize(("ramp", "is_found"), [(1, True), (30, False)])
def test_a_judge_that_becomes_lenient(ramp: int, *, is_found: bool) -> None:
    """A gain explains a narrow spread only if the policy can have learned it."""

    def share(step: int) -> float:
        return min(1.0, max(0, step - 50) / ramp)

    events = _rewards(lambda step: 0.3 + 0.65 * share(step), 110, 0.01)
    for step, event in enumerate(events):
        event["reward_std"] = 0.4 - 0.39 * share(step)
    assert is_found == ("variance_collapse" in _observe(events, is_finished=False))


@pytest.mark.parametrize(
    ("before", "after", "signal"),
    [
        (0.5, 0.5, "groups_without_signal"),
        (0.9, 0.9, "groups_too_easy"),
        (0.1, 0.1, "groups_too_hard"),
        (0.8, 0.0, "groups_without_signal"),
    ],
)
def test_groups_are_hard_or_easy_where_it_is_known(
    before: float, after: float, signal: str
) -> None:
    """Half right is neither too easy nor too hard, and what was solved before isn't too hard."""
    events = _rewards(lambda step: after if step >= 60 else before, 100, 0.001)
    for step, event in enumerate(events):
        event["frac_reward_zero_std"] = 0.95 if step >= 60 else 0.1
    found = [one for one in _observe(events, is_finished=False) if one.startswith("groups")]
    assert [signal] == found


def test_only_the_format_is_learned_in_a_short_run() -> None:
    """A run whose reward rises early by the format only is named at its end."""
    events = _rewards(lambda step: 0.3 + 0.2 * min(1.0, step / 40), 120, 0.005)
    for event in events:
        event["rewards/correctness/mean"] = 0.0005 * (event["step"] % 7 == 0)
        event["rewards/format/mean"] = 2 * event["reward"]
    assert "reward_without_correctness" in _observe(events)
