"""Rollouts of odd values, policies that fail, and reward functions that change what they get."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import logflume
from logflume.testing import capture_events
from logflume.training import attach
from tests.event_helpers import of_type
from tests.query.training_run import start
from tests.training.stand_in import END, StandIn


def nested(depth: int) -> Any:
    """Return lists and mappings within each other."""
    value: Any = "inside"
    for level in range(depth):
        value = [value] if level % 2 else {"a": value}
    return value


def expanding() -> list[Any]:
    """Return a list of 40 levels that has 2 ** 40 items if it is written out."""
    value: list[Any] = ["x"]
    for _ in range(40):
        value = [value, value]
    return value


def containing_itself() -> dict[str, Any]:
    """Return a message that contains itself."""
    message: dict[str, Any] = {"role": "assistant", "content": "c"}
    return {**message, "self": message, "list": message.setdefault("list", [message])}


class Unreadable:
    """An object without a text."""

    def __repr__(self) -> str:
        raise RuntimeError("no text")


def call_with(arguments: Any) -> list[dict[str, Any]]:
    """Return a completion that calls a tool."""
    function = {"name": "f", "arguments": arguments}
    call = {"type": "function", "function": function}
    return [{"role": "assistant", "content": None, "tool_calls": [call]}]


ODD = {
    "huge integer": call_with({"x": 10**5000}),
    "deep": call_with(nested(200)),
    "very deep": call_with(nested(20_000)),
    "cycle": [containing_itself()],
    "expanding": [{"role": "tool", "content": expanding()}],
    "object": [{"role": "assistant", "content": Unreadable()}],
    "bytes": [{"role": "tool", "content": b"\xff"}],
    "tensor": [{"role": "tool", "content": torch.ones(2)}],
    "keys": [{"role": "assistant", "content": "k", 1: 2, None: 3}],
    "many": [{"role": "tool", "content": str(i)} for i in range(20_000)],
}


def test_an_odd_completion_costs_no_other(tmp_path: Path) -> None:
    """Whatever a completion or prompt contains, it is there, in valid JSON, and so is the next."""
    run = start(tmp_path)
    trainer = StandIn()
    values = [value for odd in ODD.values() for value in (odd, "next")]
    with attach(trainer):
        trainer.step(values, prompts=values)
    logflume.shutdown()
    opened = logflume.open_run(run.folder)
    rows = opened.outputs().to_pylist()
    found = {name: json.loads(row["messages"]) for name, row in zip(ODD, rows[::2], strict=True)}

    assert len(values) == len(rows)
    assert (
        {"next"} == {row["model_output"] for row in rows[1::2]} == {r["prompt"] for r in rows[1::2]}
    )
    assert all(row["prompt_id"] for row in rows)
    assert found["deep"] == ODD["deep"]
    assert found["many"] == ODD["many"]
    assert hex(10**5000) == found["huge integer"][0]["tool_calls"][0]["function"]["arguments"]["x"]
    assert [1.0, 1.0] == found["tensor"][0]["content"]
    assert "[1.0, 1.0]" == rows[2 * [*ODD].index("tensor")]["model_output"]
    assert "<cycle>" in rows[2 * [*ODD].index("cycle")]["messages"]


def fail(*_: Any) -> list[int]:
    """Raise, as a policy with a bug does."""
    raise RuntimeError("no idea")


def select_missing(*_: Any) -> list[Any]:
    """Select the first completion, and rows that no batch has."""
    return [0, -1, 99, "x"]


@pytest.mark.parametrize(
    ("option", "policy", "outputs", "problem"),
    [
        ("rollouts", fail, 2, "the policy for rollouts failed, so all are logged: RuntimeError"),
        ("rollouts", select_missing, 1, "the policy for rollouts selects rows that the batch"),
        ("tokens", fail, 2, "tokens could not be recorded: RuntimeError: no idea"),
        ("tokens", select_missing, 2, "the policy for tokens selects rows that the batch"),
    ],
)
def test_a_policy_with_a_bug(
    option: str, policy: Callable[..., Any], outputs: int, problem: str
) -> None:
    """Each batch is logged, says what is wrong, and one line in all says it, too."""
    trainer = StandIn()
    options: dict[str, Any] = {option: policy}
    with capture_events() as events, attach(trainer, **options):
        trainer.step(["a", "b"])
        trainer.step(["c", "d"])
    lines = [event["message"] for event in of_type(events, "message")]

    assert 2 * outputs == len(of_type(events, "model_output"))
    assert 2 == len(of_type(events, "reward"))
    assert all(problem in event["problem"] for event in of_type(events, "generation"))
    assert 1 == sum(problem in line for line in lines)


@pytest.mark.parametrize("kind", ["text", "message", "more messages"])
def test_a_reward_function_that_changes_completions(kind: str) -> None:
    """What the model wrote is logged, not what a function made of it, and one line says so."""

    def change(completions: list[Any], **_: Any) -> list[float]:
        for row, completion in enumerate(completions):
            if kind == "text":
                completions[row] = "changed"
            elif kind == "message":
                completion[0]["content"] = "changed"
            else:
                completion.append({"role": "tool", "content": "added"})
        return [0.0] * len(completions)

    def written(text: str) -> Any:
        return text if kind == "text" else [{"role": "assistant", "content": text}]

    trainer = StandIn(rewards=[change])
    with capture_events() as events, attach(trainer):
        for _ in range(2):
            trainer.step([written("a"), written("b")])
    lines = [event["message"] for event in of_type(events, "message")]

    assert ["a", "b"] * 2 == [event["model_output"] for event in of_type(events, "model_output")]
    assert 1 == sum("changes the completions" in line for line in lines)


class MaskingTrainer(StandIn):
    """Masks completions that are truncated, and trains on all but the first completion."""

    def _generate_and_score_completions(self, inputs: Any) -> dict[str, Any]:
        output = super()._generate_and_score_completions(inputs)
        ids = self.next[0]["completion_ids_list"]
        ended = torch.tensor([[int(tokens[-1] == END)] for tokens in ids])
        output["completion_mask"] = output["completion_mask"] * ended
        return {name: values[1:] for name, values in output.items()}


def test_truncated_completions_that_are_masked_are_not_discarded() -> None:
    """A row without unmasked tokens is recognized, whatever its padding, and so is its reward."""
    trainer = MaskingTrainer()
    ids = [[2, END], [3, 5, 5], [4, 4], [6, END], [0, 3], [3, 5, 5]]
    with capture_events() as events, attach(trainer):
        trainer.step([str(tokens) for tokens in ids], token_ids=ids)
    outputs = of_type(events, "model_output")

    ends = ["filtered", "length", "length", "stop", "length", "length"]
    assert ends == [event["ended_by"] for event in outputs]
    assert [None, 1.0, 2.0, 3.0, 4.0, 5.0] == [event["advantage"] for event in outputs]


def test_rewards_that_a_trainer_does_not_gather() -> None:
    """A rank that has the rewards of its own completions only keeps all of these."""
    trainer = StandIn()
    trainer.accelerator.process_index = 1
    with capture_events() as events, attach(trainer):
        trainer.step(["a", "b"])
    outputs = of_type(events, "model_output")
    assert [0.0, 1.0] == [event["rewards/count_reward"] for event in outputs]
