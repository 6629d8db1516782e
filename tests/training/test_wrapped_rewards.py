"""Wrapped reward functions: the trainer gets unchanged results, and they are logged."""

from __future__ import annotations

import asyncio
import functools
import inspect
import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from logflume.testing import capture_events
from logflume.training.wrapped_rewards import get_wrapped_reward_functions, wrap_reward

CALL: dict[str, Any] = {
    "prompts": [[{"role": "user", "content": "2+2?"}]] * 2,
    "completions": [
        [{"role": "assistant", "content": "<reasoning>2+2</reasoning><answer> 4 </answer>"}],
        [{"role": "assistant", "content": "five"}],
    ],
    "completion_ids": [[1, 2, 3], [4]],
    "question": ["What is 2+2?", "What is 2+2?"],
    "answer": ["2 + 2 = 4 #### 4", "4"],
}


def correctness(completions: list[Any], **_: Any) -> list[float]:
    """Return 2 for the first completion and 0 for the others."""
    return [2.0] + [0.0] * (len(completions) - 1)


def sometimes(completions: list[Any], **_: Any) -> list[float | None]:
    """Apply to the last completion only."""
    return [None] * (len(completions) - 1) + [0.5]


async def judge(completions: list[Any], **_: Any) -> list[float]:
    """Return 1 for each completion, after yielding to other coroutines."""
    await asyncio.sleep(0)
    return [1.0 for _ in completions]


class Scorer:
    """A reward function with state."""

    def __init__(self, points: float) -> None:
        self.points = points

    def __call__(self, completions: list[Any], **_: Any) -> list[float]:
        return [self.points for _ in completions]


def test_events_of_a_batch() -> None:
    """All functions of a batch are logged in one `reward` event; each completion is an event with
    its question, answers and rewards."""
    with capture_events("flatten_rewards") as events:
        for function in get_wrapped_reward_functions([correctness, sometimes]):
            function(**CALL)
    (reward,) = [event for event in events if event["event"] == "reward"]
    assert [2.0, 0.0] == reward["rewards/correctness"]
    assert [None, 0.5] == reward["rewards/sometimes"]
    assert [2.0, 0.5] == reward["rewards/total"]
    first, second = (event for event in events if event["event"] == "model_output")
    expected = {
        "question": "What is 2+2?",
        "true_answer": "4",
        "model_output": "<reasoning>2+2</reasoning><answer> 4 </answer>",
        "reasoning": "2+2",
        "answer": "4",
        "prompt": "2+2?",
        "completion_tokens": 3,
        "rewards/correctness": 2.0,
        "rewards/sometimes": None,
        "rewards/total": 2.0,
    }
    assert expected == {name: first[name] for name in expected}
    assert (None, None, 0.5) == (second["answer"], second["reasoning"], second["rewards/total"])


@pytest.mark.parametrize(
    "values",
    [[1, 0], [True, False], (0.5, None), np.array([0.5, 1.5]), torch.tensor([0.5, 1.5])],
    ids=lambda values: type(values).__name__,
)
def test_result_is_returned_unchanged(values: Any) -> None:
    """The trainer gets the same object that the function returns, and its values are logged."""
    with capture_events("flatten_rewards") as events:
        assert values is wrap_reward(lambda **_: values, "given")(**CALL)
    (reward,) = [event for event in events if event["event"] == "reward"]
    expected = [None if value is None else float(value) for value in values]
    assert expected == reward["rewards/given"]


def test_generator_is_consumed_once() -> None:
    """The trainer gets all rewards of a generator function, and they are logged."""

    def stream(completions: list[Any], **_: Any) -> Iterator[float]:
        yield from (0.25 for _ in completions)

    with capture_events() as events:
        assert [0.25, 0.25] == list(wrap_reward(stream)(**CALL))
    assert "reward" in [event["event"] for event in events]


def test_exception_is_logged_and_propagates() -> None:
    """An exception of a reward function is logged, and the trainer gets the same object."""
    error = ValueError("no such column")

    def broken(**_: Any) -> list[float]:
        raise error

    with capture_events() as events:
        with pytest.raises(ValueError, match="no such column") as caught:
            wrap_reward(broken)(**CALL)
        assert error is caught.value
    (logged,) = [event for event in events if event["event"] == "reward_error"]
    assert ("error", "broken") == (logged["level"], logged["function"])
    assert "no such column" == logged["exception/message"]


def test_async_function_stays_async() -> None:
    """A wrapped coroutine function is still async, and is logged with the other functions."""
    with capture_events("flatten_rewards") as events:
        sync, asynchronous = get_wrapped_reward_functions([correctness, judge])
        sync(**CALL)
        assert [1.0, 1.0] == asyncio.run(asynchronous(**CALL))
    (reward,) = [event for event in events if event["event"] == "reward"]
    assert [3.0, 1.0] == reward["rewards/total"]


def test_trl_recognizes_wrapped_async_functions() -> None:
    """TRL recognizes wrapped async functions as async, and others as not."""
    from trl.trainer import utils

    sync, asynchronous = get_wrapped_reward_functions([correctness, judge])
    # The function of TRL since 1.10, and the one that it used before.
    for is_async in (
        getattr(utils, "is_async_callable", inspect.iscoroutinefunction),
        inspect.iscoroutinefunction,
    ):
        assert (False, True) == (is_async(sync), is_async(asynchronous))


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (correctness, "correctness"),
        (functools.partial(correctness, scale=2), "correctness"),
        (Scorer(1.0), "Scorer"),
        (functools.partial(Scorer(1.0)), "Scorer"),
        (judge, "judge"),
    ],
    ids=["function", "partial", "object", "partial of an object", "async"],
)
def test_names_match_trl(function: Any, name: str) -> None:
    """The name in the logs is the name under which TRL reports the function."""
    from trl.trainer import utils

    wrapped = wrap_reward(function)
    assert name == wrapped.__name__
    if hasattr(utils, "get_callable_name"):  # since TRL 1.9; earlier versions use `__name__`
        assert name == utils.get_callable_name(wrapped) == utils.get_callable_name(function)


def test_wrapped_functions_can_be_pickled() -> None:
    """Wrapped functions work after pickling, because some trainers call them in other processes."""
    functions = pickle.loads(pickle.dumps(get_wrapped_reward_functions([correctness, Scorer(3.0)])))
    with capture_events("flatten_rewards") as events:
        assert [[2.0, 0.0], [3.0, 3.0]] == [function(**CALL) for function in functions]
    (reward,) = [event for event in events if event["event"] == "reward"]
    assert [5.0, 3.0] == reward["rewards/total"]


def test_reward_models_are_not_wrapped() -> None:
    """A reward model, given by name or as a module, is returned unchanged; so is the given list."""
    model = torch.nn.Linear(2, 1)
    functions = [correctness, "org/reward-model", model]
    wrapped = get_wrapped_reward_functions(functions)
    assert "org/reward-model" == wrapped[1]
    assert model is wrapped[2]
    assert correctness is functions[0]
    with capture_events() as events:
        wrapped[0](**CALL)
    assert "reward" in [event["event"] for event in events]


def test_functions_with_the_same_name_are_both_logged() -> None:
    """Two functions with the same name are logged separately, although TRL merges them."""
    with capture_events("flatten_rewards") as events:
        for function in get_wrapped_reward_functions([Scorer(1.0), Scorer(2.0)]):
            function(**CALL)
    (reward,) = [event for event in events if event["event"] == "reward"]
    assert [3.0, 3.0] == reward["rewards/total"]
    assert {"rewards/Scorer", "rewards/Scorer_2"} <= reward.keys()


def test_invalid_results_do_not_stop_the_training() -> None:
    """An invalid result is returned unchanged; a message says that it could not be logged."""
    with capture_events() as events:
        assert 7 == wrap_reward(lambda **_: 7, "number")(**CALL)
    (message,) = [event for event in events if event["event"] == "message"]
    assert "number could not be logged" in message["message"]


@pytest.mark.parametrize("role", ["tool", "user", "environment"])
def test_tokens_of_others_are_not_the_models(role: str) -> None:
    """The length of a completion that includes a tool's result or another's turn is unknown."""
    turns = [{"role": "assistant", "content": "2+2?"}, {"role": role, "content": "4"}]
    call = {**CALL, "completions": [turns, "four"], "completion_ids": [[1, 2, 3], [4]]}
    with capture_events() as events:
        (wrapped,) = get_wrapped_reward_functions([correctness])
        wrapped(**call)
    outputs = [event for event in events if event["event"] == "model_output"]
    assert [None, 1] == [event["completion_tokens"] for event in outputs]
