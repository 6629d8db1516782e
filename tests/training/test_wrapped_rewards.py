"""Reward functions, wrapped: what the trainer gets is unchanged, what was given is logged."""

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
    """Give 2 to the first and nothing to the others."""
    return [2.0] + [0.0] * (len(completions) - 1)


def sometimes(completions: list[Any], **_: Any) -> list[float | None]:
    """Apply to the last one only."""
    return [None] * (len(completions) - 1) + [0.5]


async def judge(completions: list[Any], **_: Any) -> list[float]:
    """Give everyone 1, after giving way to the others."""
    await asyncio.sleep(0)
    return [1.0 for _ in completions]


class Scorer:
    """A reward function with a state."""

    def __init__(self, points: float) -> None:
        self.points = points

    def __call__(self, completions: list[Any], **_: Any) -> list[float]:
        return [self.points for _ in completions]


def test_batch_is_one_reward_event_and_an_output_a_completion() -> None:
    """All functions of a batch make one `reward` event; each completion has its own event with its
    question, answers and rewards."""
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
def test_result_is_handed_on(values: Any) -> None:
    """What the function returns reaches the trainer as the very same object, and is logged."""
    with capture_events("flatten_rewards") as events:
        assert values is wrap_reward(lambda **_: values, "given")(**CALL)
    (reward,) = [event for event in events if event["event"] == "reward"]
    expected = [None if value is None else float(value) for value in values]
    assert expected == reward["rewards/given"]


def test_generator_is_read_once() -> None:
    """A function that yields its rewards works: the trainer gets all of them."""

    def stream(completions: list[Any], **_: Any) -> Iterator[float]:
        yield from (0.25 for _ in completions)

    with capture_events() as events:
        assert [0.25, 0.25] == list(wrap_reward(stream)(**CALL))
    assert "reward" in [event["event"] for event in events]


def test_exception_is_logged_and_passes_through() -> None:
    """An exception of a reward function reaches the trainer as it was raised, and the log."""
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
    """A wrapped coroutine function is one, and its rewards are logged with those of the others."""
    with capture_events("flatten_rewards") as events:
        sync, asynchronous = get_wrapped_reward_functions([correctness, judge])
        sync(**CALL)
        assert [1.0, 1.0] == asyncio.run(asynchronous(**CALL))
    (reward,) = [event for event in events if event["event"] == "reward"]
    assert [3.0, 1.0] == reward["rewards/total"]


def test_trl_takes_a_wrapped_async_function_for_async() -> None:
    """TRL's own test tells wrapped functions apart as it does the originals."""
    from trl.trainer import utils

    sync, asynchronous = get_wrapped_reward_functions([correctness, judge])
    # TRL's own function since 1.10, and what it used before.
    for tell in (
        getattr(utils, "is_async_callable", inspect.iscoroutinefunction),
        inspect.iscoroutinefunction,
    ):
        assert (False, True) == (tell(sync), tell(asynchronous))


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
def test_name_is_the_one_that_trl_gives(function: Any, name: str) -> None:
    """The name in the logs is the name under which TRL reports the function."""
    from trl.trainer import utils

    wrapped = wrap_reward(function)
    assert name == wrapped.__name__
    if hasattr(utils, "get_callable_name"):  # since TRL 1.9; before it took `__name__`
        assert name == utils.get_callable_name(wrapped) == utils.get_callable_name(function)


def test_wrapped_functions_can_be_pickled() -> None:
    """Wrapped functions work in another process, where some trainers call them."""
    functions = pickle.loads(pickle.dumps(get_wrapped_reward_functions([correctness, Scorer(3.0)])))
    with capture_events("flatten_rewards") as events:
        assert [[2.0, 0.0], [3.0, 3.0]] == [function(**CALL) for function in functions]
    (reward,) = [event for event in events if event["event"] == "reward"]
    assert [5.0, 3.0] == reward["rewards/total"]


def test_reward_models_pass_through() -> None:
    """A reward model, by its name or as a module, is left to the trainer, and the list too."""
    model = torch.nn.Linear(2, 1)
    functions = [correctness, "org/reward-model", model]
    wrapped = get_wrapped_reward_functions(functions)
    assert "org/reward-model" == wrapped[1]
    assert model is wrapped[2]
    assert correctness is functions[0]
    with capture_events() as events:
        wrapped[0](**CALL)
    assert "reward" in [event["event"] for event in events]


def test_two_functions_of_one_name_are_both_kept() -> None:
    """Two functions of one name don't swallow each other, though TRL merges them."""
    with capture_events("flatten_rewards") as events:
        for function in get_wrapped_reward_functions([Scorer(1.0), Scorer(2.0)]):
            function(**CALL)
    (reward,) = [event for event in events if event["event"] == "reward"]
    assert [3.0, 3.0] == reward["rewards/total"]
    assert {"rewards/Scorer", "rewards/Scorer_2"} <= reward.keys()


def test_odd_results_never_stop_the_training() -> None:
    """A result that makes no sense is handed on; the log says what could not be logged."""
    with capture_events() as events:
        assert 7 == wrap_reward(lambda **_: 7, "number")(**CALL)
    (message,) = [event for event in events if event["event"] == "message"]
    assert "number could not be logged" in message["message"]
