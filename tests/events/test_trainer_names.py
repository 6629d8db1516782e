"""Which events the reports of a trainer become, by the names of their metrics."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import logflume
from logflume.events.trainer_names import split_report

FINAL = {"train_runtime": 9.0, "train_samples_per_second": 8.0, "train_steps_per_second": 1.0}


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        (
            {"eval_loss": 0.5, "reward": 1.0, "train_x": 2.0, "num_tokens": 3.0, "epoch": 1.0},
            {"evaluation": {"loss": 0.5, "reward": 1.0, "train_x": 2.0, "num_tokens": 3.0}},
        ),
        ({"eval_set_a_loss": 0.5}, {"evaluation": {"set_a_loss": 0.5}}),
        (
            {"loss": 1.0, "learning_rate": 0.1, "eval_loss": 2.0},
            {"training": {"loss": 1.0, "learning_rate": 0.1}, "evaluation": {"loss": 2.0}},
        ),
        ({"test_loss": 0.5, "epoch": 1.0}, {"evaluation": {"test_loss": 0.5}}),
        ({"predict_accuracy": 0.5}, {"evaluation": {"predict_accuracy": 0.5}}),
        (
            {"test_loss": 0.5, "test_runtime": 1.0, "test_steps_per_second": 1.0, "reward": 2.0},
            {
                "evaluation": {
                    "test_loss": 0.5,
                    "test_runtime": 1.0,
                    "test_steps_per_second": 1.0,
                    "reward": 2.0,
                }
            },
        ),
        (
            {"held_out_loss": 0.5, "held_out_runtime": 1.0, "held_out_samples_per_second": 2.0},
            {
                "evaluation": {
                    "held_out_loss": 0.5,
                    "held_out_runtime": 1.0,
                    "held_out_samples_per_second": 2.0,
                }
            },
        ),
        (
            {
                "loss": 1.0,
                "reward": 2.0,
                "a_loss": 0.5,
                "a_runtime": 1.0,
                "a_steps_per_second": 2.0,
            },
            {
                "training": {"loss": 1.0, "reward": 2.0},
                "evaluation": {"a_loss": 0.5, "a_runtime": 1.0, "a_steps_per_second": 2.0},
            },
        ),
        (
            {"train_accuracy": 0.5, "train_loss": 1.0, "epoch": 1.0},
            {"training": {"train_accuracy": 0.5, "train_loss": 1.0}},
        ),
        (
            {**FINAL, "total_flos": 5.0, "train_loss": 1.0, "train_accuracy": 0.5, "loss": 2.0},
            {
                "training": {"train_accuracy": 0.5, "loss": 2.0},
                "summary": {**FINAL, "total_flos": 5.0, "train_loss": 1.0},
            },
        ),
        ({0: 1.0, "loss": 2.0}, {"training": {"0": 1.0, "loss": 2.0}}),
        ({"epoch": 1.0}, {"training": {}}),
        ({}, {"training": {}}),
    ],
)
def test_types_of_a_report(report: dict[Any, Any], expected: dict[str, Any]) -> None:
    """Evaluations, summaries and metrics of the training are distinguished by their names."""
    common = {"epoch": report["epoch"]} if "epoch" in report else {}
    assert {event: {**fields, **common} for event, fields in expected.items()} == (
        split_report(report)
    )


def test_the_final_names_of_transformers() -> None:
    """The names with which transformers reports the speed of a training make a summary."""
    trainer_utils = pytest.importorskip("transformers.trainer_utils")
    names = re.findall(r"{split}(\w+)", Path(trainer_utils.__file__).read_text())
    assert {"_runtime", "_samples_per_second", "_steps_per_second"} <= set(names)
    for name in names:
        assert ["summary"] == list(split_report({f"train{name}": 1.0}))


def test_evaluations_beside_a_training(tmp_path: Path) -> None:
    """A report of an evaluation never changes the curves of the training at its step."""
    pytest.importorskip("transformers")
    from transformers import TrainerControl, TrainerState, TrainingArguments

    from logflume.training.callbacks import EnhancedLoggingCallback

    run = logflume.initialize(dir=tmp_path / "logs")
    callback, arguments = EnhancedLoggingCallback(), TrainingArguments(output_dir=str(tmp_path))
    state = TrainerState(global_step=10)
    for logs in (
        {"loss": 0.1, "reward": 0.11},
        {"eval_loss": -0.003, "reward": 0.58, "rewards/a/mean": 0.5},
        {"test_loss": 0.7, "test_runtime": 1.0, "epoch": 1.0},
        {"train_accuracy": 0.25},
    ):
        callback.on_log(arguments, state, TrainerControl(), logs)
    logflume.shutdown()
    training, evaluation = logflume.open_run(run.folder).metrics(wide=True).to_pylist()

    assert (0.1, 0.11, 0.25) == tuple(training[n] for n in ("loss", "reward", "train_accuracy"))
    assert ("train", None, None) == tuple(
        training[n] for n in ("mode", "rewards/a/mean", "test_loss")
    )
    assert ("eval", -0.003, 0.58, 0.5, 0.7) == tuple(
        evaluation[n] for n in ("mode", "loss", "reward", "rewards/a/mean", "test_loss")
    )


def test_an_evaluation_on_the_training_data() -> None:
    """What `evaluate(metric_key_prefix="train")` reports is no final report, if it is whole."""
    report = {**FINAL, "train_loss": 1.0, "train_accuracy": 0.5}
    assert {"evaluation": report} == split_report(report, is_whole=True)
    assert {"train_accuracy": 0.5} == split_report(report)["training"]
    final = split_report({**FINAL, "train_loss": 1.0, "total_flos": 0}, is_whole=True)
    assert {"summary"} == final.keys()
