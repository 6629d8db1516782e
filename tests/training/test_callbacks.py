"""The callbacks on a real `transformers.Trainer`, which has no rewards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import Trainer, TrainerState, TrainingArguments

import logflume
from logflume.logger.channels import CHANNELS
from logflume.testing import capture_events
from logflume.training.callbacks import EnhancedLoggingCallback, OptimizedLoggingCallback
from tests.event_helpers import of_type


class Line(torch.nn.Module):
    """Fits y = ax: a minimal model for a Trainer."""

    def __init__(self) -> None:
        super().__init__()
        self.a = torch.nn.Parameter(torch.zeros(1))

    def forward(self, x: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        y = self.a * x
        return {"loss": ((y - labels) ** 2).mean(), "logits": y}


def make_trainer(folder: Path, callback: Any, **arguments: Any) -> Trainer:
    """Return a trainer of six steps with a callback."""
    torch.set_num_threads(1)
    data = [{"x": torch.ones(1), "labels": 2 * torch.ones(1)} for _ in range(12)]
    return Trainer(
        model=Line(),
        args=TrainingArguments(
            output_dir=str(folder),
            per_device_train_batch_size=2,
            num_train_epochs=1,
            logging_steps=1,
            report_to=[],
            use_cpu=True,
            **{"save_strategy": "no", "disable_tqdm": True, **arguments},
        ),
        train_dataset=data,
        eval_dataset=data[:4],
        callbacks=[callback],
    )


def train(folder: Path, callback: Any, **arguments: Any) -> list[Any]:
    """Train for six steps with a callback, and return the events."""
    with capture_events("tag_step") as events:
        make_trainer(folder, callback, **arguments).train()
    return events


def test_every_report_of_the_trainer_is_logged(tmp_path: Path) -> None:
    """Each step is a `training` event; the start logs the arguments, the end a `summary`."""
    events = train(tmp_path, EnhancedLoggingCallback())
    training = of_type(events, "training")
    assert [1, 2, 3, 4, 5, 6] == [event["step"] for event in training]
    assert all(event["loss"] > 0 and event["mode"] == "train" for event in training)
    (summary,) = of_type(events, "summary")
    assert summary["train_runtime"] > 0
    started = [event for event in of_type(events, "run_started") if "arguments" in event]
    assert 2.0 == started[0]["hyperparameters/per_device_train_batch_size"]
    assert '"logging_steps":1' in started[0]["arguments"]


def test_evaluations_are_separate_events(tmp_path: Path) -> None:
    """An evaluation is an `evaluation` event with the mode `eval`, its metrics without prefix."""
    events = train(tmp_path, EnhancedLoggingCallback(), eval_strategy="steps", eval_steps=3)
    evaluations = of_type(events, "evaluation")
    assert [(3, "eval"), (6, "eval")] == [(e["step"], e["mode"]) for e in evaluations]
    assert all(event["loss"] > 0 for event in evaluations)
    assert not [name for event in events for name in event if name.startswith("eval_")]


def test_checkpoints_are_logged(tmp_path: Path) -> None:
    """Each checkpoint is an event with the path of an existing folder."""
    events = train(tmp_path, EnhancedLoggingCallback(), save_strategy="steps", save_steps=3)
    paths = [Path(event["path"]) for event in of_type(events, "checkpoint")]
    assert [tmp_path / "checkpoint-3", tmp_path / "checkpoint-6"] == paths
    assert all(path.is_dir() for path in paths)


def test_optimized_callback_logs_means(tmp_path: Path) -> None:
    """The optimized callback logs the means of each window, including the incomplete last one."""
    losses = [e["loss"] for e in of_type(train(tmp_path, EnhancedLoggingCallback()), "training")]
    events = train(tmp_path, OptimizedLoggingCallback(logging_frequency=4))
    training = of_type(events, "training")
    assert [(4, 4.0), (6, 2.0)] == [(e["step"], e["window_steps"]) for e in training]
    assert [sum(losses[:4]) / 4, sum(losses[4:]) / 2] == pytest.approx(
        [e["loss"] for e in training]
    )


def test_window_length_from_the_configuration() -> None:
    """Without an argument, the optimized callback uses `metrics.logging_frequency`."""
    with capture_events(metrics={"logging_frequency": 7}):
        assert 7 == OptimizedLoggingCallback().outputs_every


def test_other_ranks_log_no_metrics() -> None:
    """Metrics are logged by the main process only, because every rank reports the same ones."""
    state = TrainerState(global_step=1, is_world_process_zero=False)
    with capture_events() as events:
        EnhancedLoggingCallback().on_log(None, state, None, logs={"loss": 1.0})
    assert [] == of_type(events, "training")


def test_the_logs_of_the_trainer_are_not_modified() -> None:
    """The dict that all callbacks share is not modified, whatever its values."""
    logs: dict[str, Any] = {"loss": 1.0, "eval_loss": None, "rewards/chosen": float("nan")}
    before = dict(logs)
    with capture_events() as events:
        EnhancedLoggingCallback().on_log(None, TrainerState(global_step=1), None, logs=logs)
    assert before.keys() == logs.keys()
    assert [] == of_type(events, "reward")
    (training,) = of_type(events, "training")
    assert 1.0 == training["loss"]


@pytest.mark.parametrize("kind", [EnhancedLoggingCallback, OptimizedLoggingCallback])
def test_a_report_with_odd_names_and_values(tmp_path: Path, kind: Any) -> None:
    """A report's names may be numbers, and its values may change later or be no numbers."""
    torch.set_num_threads(1)
    data = [{"x": torch.ones(1), "labels": torch.ones(1)}] * 2
    arguments = TrainingArguments(
        output_dir=str(tmp_path), max_steps=1, report_to=[], use_cpu=True, save_strategy="no"
    )
    with capture_events() as events:
        trainer = Trainer(model=Line(), args=arguments, train_dataset=data, callbacks=[kind()])
        values = torch.ones(2)
        report: Any = {0: 1.0, None: 2.0, "values": values, "scalar": np.float32(0.5)}
        trainer.log(report)
        values.zero_()
        trainer.train()

    event = of_type(events, "training")[0]
    assert (1.0, 2.0, [1.0, 1.0], 0.5) == tuple(
        event[name] for name in ("0", "None", "values", "scalar")
    )


def test_odd_arguments_of_a_trainer() -> None:
    """Arguments that can't be read cost the start of the training no more than a note."""
    with capture_events() as events:
        EnhancedLoggingCallback().on_train_begin(object(), TrainerState(), None)

    assert "AttributeError" in of_type(events, "run_started")[1]["problem"]


def test_events_of_the_user_get_the_step_of_the_trainer(tmp_path: Path) -> None:
    """Any event that is logged within a step is tagged with the step that it leads to."""

    class SubstepCallback(EnhancedLoggingCallback):
        def on_substep_end(self, *args: Any, **kwargs: Any) -> None:
            logflume.get_logger("mine").info("substep", n=1)

    events = train(tmp_path, SubstepCallback(), gradient_accumulation_steps=2)
    assert [1, 2, 3] == [event["step"] for event in of_type(events, "substep")]
    assert {"train"} == {event["mode"] for event in of_type(events, "substep")}


def test_a_training_without_a_run(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first report of a trainer says, in one line, that no run is open; a run gets the rest."""
    monkeypatch.setattr(CHANNELS, "has_warned", False)
    callback = EnhancedLoggingCallback()
    for step in range(3):
        callback.on_log(None, TrainerState(global_step=step), None, {"loss": 0.5})
    printed = capfd.readouterr().err

    assert 1 == len(printed.splitlines())
    assert "call logflume.initialize() before the training" in printed

    with capture_events() as events:
        callback.on_log(None, TrainerState(global_step=3), None, {"loss": 0.5})
    assert 4 == len(of_type(events, "training"))
    assert "no run" not in capfd.readouterr().err


def test_windows_keep_the_last_value_of_counters() -> None:
    """What the trainer itself doesn't average over steps is that of the last step."""
    with capture_events() as events:
        callback = OptimizedLoggingCallback(logging_frequency=2)
        for step in (1, 2):
            report = {"loss": 1 / step, "num_tokens": 100 * step, "epoch": step / 4}
            callback.on_log(None, TrainerState(global_step=step), None, logs=report)
    (training,) = of_type(events, "training")
    assert (0.75, 200, 0.5) == tuple(training[n] for n in ("loss", "num_tokens", "epoch"))


def test_evaluations_on_the_training_data(tmp_path: Path) -> None:
    """Each evaluation keeps its prefix, also `train`; the summary has what the trainer reports."""
    with capture_events() as events:
        trainer = make_trainer(tmp_path, EnhancedLoggingCallback())
        trainer.train()
        (final,) = [dict(report) for report in trainer.state.log_history[-1:]]
        reports = [trainer.evaluate(metric_key_prefix=p) for p in ("train", "eval", "held_out")]
    (summary,) = of_type(events, "summary")
    assert final.items() <= summary.items()
    for evaluation, report in zip(of_type(events, "evaluation"), reports, strict=True):
        assert {n.removeprefix("eval_"): v for n, v in report.items()}.items() <= evaluation.items()


def test_a_second_training_in_a_run(tmp_path: Path) -> None:
    """Metrics are those of the latest training that has the step; `events` has both."""
    run = logflume.initialize(dir=tmp_path / "logs", run="twice")
    trainer = make_trainer(tmp_path, EnhancedLoggingCallback(), eval_strategy="epoch")
    trainer.train()
    (first,) = [r["eval_loss"] for r in trainer.state.log_history if "eval_loss" in r]
    trainer.train(resume_from_checkpoint=None)
    logflume.get_logger().info("training", step=2, mode="train", own=1.0)
    logflume.get_logger().info("training", step=2, mode="train", own=2.0)
    assert logflume.shutdown()
    opened = logflume.open_run(run.folder)
    history = trainer.state.log_history
    losses = {report["step"]: report["loss"] for report in history if "loss" in report}
    for steps in (None, (3, 4)):
        rows = opened.metrics("loss", steps=steps, events="training").to_pylist()
        of_steps = [step for step in losses if steps is None or step in steps]
        assert [(s, losses[s]) for s in of_steps] == [(r["step"], r["value"]) for r in rows]
    wide = {(r["step"], r["mode"]): r for r in opened.metrics(wide=True).to_pylist()}
    assert losses[2] == wide[2, "train"]["loss"]
    assert 1.5 == wide[2, "train"]["own"]
    (second,) = [r["eval_loss"] for r in history if "eval_loss" in r]
    assert first != second == wide[6, "eval"]["loss"]
    assert 12 == len(opened.events("training", columns=["loss"]).to_pylist()) - 2
