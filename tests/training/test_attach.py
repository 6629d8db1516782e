"""`attach` on real trainers of TRL: everything is captured, and the training is unchanged."""

from __future__ import annotations

import functools
import pickle
from collections.abc import Callable
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import pytest
import torch

from logflume.testing import capture_events
from logflume.training import attach
from logflume.training.policies import best_and_worst, every, first_groups
from tests.event_helpers import of_type
from tests.training import tiny_trainers
from tests.training.tiny_trainers import GROUP


@pytest.fixture(name="make_trainer")
def _make_trainer(tmp_path: Path) -> Callable[..., Any]:
    """Return a factory of real trainers, which are identical for the same arguments."""
    return functools.partial(tiny_trainers.make_trainer, tmp_path)


@pytest.mark.parametrize("kind", ["grpo", "rloo"])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"gradient_accumulation_steps": 4, "steps_per_generation": 2},
        {"eval_strategy": "steps", "eval_steps": 2},
        {
            "gradient_accumulation_steps": 4,
            "steps_per_generation": 2,
            "num_iterations": 2,
            "eval_strategy": "steps",
            "eval_steps": 2,
        },
    ],
    ids=["plain", "accumulation", "evaluation", "all"],
)
def test_every_row_is_captured_once(
    make_trainer: Callable[..., Any], kind: str, settings: dict[str, Any]
) -> None:
    """Every generated completion is one event, in its group, with its own rewards and the advantage
    that the trainer used."""
    trainer = make_trainer(kind, **settings)
    generated = _record_generations(trainer)
    with capture_events("tag_step", "flatten_rewards") as events, attach(trainer):
        trainer.train()
    outputs = of_type(events, "model_output")
    expected = [(n, row) for n, batch in enumerate(generated) for row in range(len(batch))]
    assert expected == [(e["generation"], e["group"] * GROUP + e["index"]) for e in outputs]
    advantages = [value for batch in generated for value in batch]
    assert advantages == [event["advantage"] for event in outputs]
    for event in outputs:
        assert len(event["model_output"]) > 0 or event["completion_tokens"] >= 0
        assert (event["index"] % 2 == 0) == (event["rewards/sometimes_reward"] == 1.0)
    assert len(generated) == len(of_type(events, "reward")) == len(of_type(events, "generation"))
    modes = {"train", "eval"} if "eval_steps" in settings else {"train"}
    assert modes == {event["mode"] for event in outputs}


def test_advantages_follow_from_the_rewards(make_trainer: Callable[..., Any]) -> None:
    """The logged advantages equal those that are computed from the logged rewards of each group."""
    trainer = make_trainer()
    with capture_events() as events, attach(trainer):
        trainer.train()
    outputs = of_type(events, "model_output")
    for start in range(0, len(outputs), GROUP):
        group = outputs[start : start + GROUP]
        totals = [event["rewards/total"] for event in group]
        for event, total in zip(group, totals, strict=True):
            expected = (total - mean(totals)) / (stdev(totals) + 1e-4)
            assert expected == pytest.approx(event["advantage"], abs=1e-3)


def test_training_is_bit_identical(make_trainer: Callable[..., Any]) -> None:
    """With and without `attach`, the same seed gives the same losses and the same weights."""
    from transformers import set_seed

    plain, attached = make_trainer(), make_trainer()
    set_seed(1)
    plain.train()
    set_seed(1)
    with capture_events(), attach(attached):
        attached.train()
    losses = [
        [row["loss"] for row in trainer.state.log_history if "loss" in row]
        for trainer in (plain, attached)
    ]
    assert losses[0] == losses[1]
    for before, after in zip(plain.model.parameters(), attached.model.parameters(), strict=True):
        assert torch.equal(before, after)


def test_detach_leaves_no_trace(make_trainer: Callable[..., Any]) -> None:
    """`detach` restores the attributes, callbacks and functions of the trainer; a trainer that is
    attached twice logs once."""
    trainer = make_trainer(max_steps=1)
    functions = trainer.reward_funcs
    before = {**vars(trainer)}
    with attach(trainer):
        assert before.keys() != vars(trainer).keys()
    assert before == vars(trainer)
    callbacks = list(trainer.callback_handler.callbacks)
    with capture_events() as events, attach(trainer), attach(trainer):
        trainer.train()
    assert 8 == len(of_type(events, "model_output"))
    assert not {"_logflume_attachment", "_calculate_rewards"} & vars(trainer).keys()
    assert functions is trainer.reward_funcs
    assert callbacks == trainer.callback_handler.callbacks


@pytest.mark.parametrize(
    ("policy", "expected"), [(every(2), 16), (first_groups(1), 16), (best_and_worst(1), 8)]
)
def test_policies_select_completions(
    make_trainer: Callable[..., Any], policy: Any, expected: int
) -> None:
    """Policies select every second batch, the first group or the extremes, also after pickling."""
    trainer = make_trainer()
    copy = pickle.loads(pickle.dumps(policy))
    with capture_events() as events, attach(trainer, rollouts=copy):
        trainer.train()
    assert expected == len(of_type(events, "model_output"))
    assert 4 == len(of_type(events, "generation"))


def test_failed_training_is_recorded(make_trainer: Callable[..., Any]) -> None:
    """After a training that raises, `run_finished` has the status and the exception."""

    def broken(**_: Any) -> list[float]:
        raise RuntimeError("judge unreachable")

    trainer = make_trainer(rewards=[broken])
    with (
        capture_events() as events,
        pytest.raises(RuntimeError, match="judge unreachable"),
        attach(trainer),
    ):
        trainer.train()
    (finished,) = of_type(events, "run_finished")
    assert ("failed", "RuntimeError: judge unreachable") == (
        finished["status"],
        finished["exception"],
    )


def test_broken_sink_does_not_affect_the_training(
    make_trainer: Callable[..., Any], tmp_path: Path
) -> None:
    """A sink that raises during the run affects neither the training nor the other sinks."""

    class BrokenSink:
        def write(self, events: Any) -> None:
            raise OSError("the disk is gone")

        def flush(self) -> None:
            raise OSError("the disk is gone")

        def close(self) -> None:
            raise OSError("the disk is gone")

    trainer = make_trainer()
    sinks = {"broken": BrokenSink(), "jsonl": {"path": str(tmp_path / "events.jsonl")}}
    with (
        capture_events(sinks=sinks, root={"sinks": ["broken", "jsonl"]}),
        attach(trainer),
    ):
        trainer.train()
    assert 4 == trainer.state.global_step
    assert 32 == (tmp_path / "events.jsonl").read_text().count('"event":"model_output"')


def _record_generations(trainer: Any) -> list[list[float]]:
    """Record the advantages of every batch, with a wrapper of its own below those of `attach`."""
    batches: list[list[float]] = []
    original = trainer._generate_and_score_completions

    def record(inputs: Any) -> Any:
        output = original(inputs)
        batches.append(output["advantages"].tolist())
        return output

    trainer._generate_and_score_completions = record
    return batches
