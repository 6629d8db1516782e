"""The fields that locate the events of an attached trainer: step, generation, group and others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from logflume.testing import capture_events
from logflume.training import attach
from tests.event_helpers import of_type
from tests.training.stand_in import StandIn
from tests.training.tiny_trainers import GROUP, make_trainer


def train(trainer: Any, *processors: Any) -> list[Any]:
    """Train with the trainer attached, and return the events."""
    with capture_events("tag_step", "flatten_rewards", *processors) as events, attach(trainer):
        trainer.train()
    return events


def test_steps_and_generations(tmp_path: Path) -> None:
    """Rollouts have the step that they lead to, the completed steps and their batch. Metrics of a
    step have the latest batch trained on, those of an evaluation the completed step."""
    trainer = make_trainer(tmp_path, eval_strategy="steps", eval_steps=2, max_steps=2)
    events = train(trainer)
    keys = ("mode", "generation", "global_step", "step")
    batches = [tuple(event[key] for key in keys) for event in of_type(events, "generation")]
    assert batches[:2] == [("train", 0, 0, 1), ("train", 1, 1, 2)]
    assert {("eval", 2, 2)} == {(mode, done, step) for mode, _, done, step in batches[2:]}
    for event_type in ("reward", "model_output"):
        located = dict.fromkeys(tuple(e[key] for key in keys) for e in of_type(events, event_type))
        assert batches == list(located)
    assert [(0, 1, 1), (1, 2, 2)] == [
        (e["generation"], e["global_step"], e["step"]) for e in of_type(events, "training")
    ]
    (evaluation,) = of_type(events, "evaluation")
    assert (1, 2, 2) == tuple(evaluation[key] for key in keys[1:])
    assert {(0, 0)} == {(event["rank"], event["attempt"]) for event in events}


def test_generations_are_numbered_within_a_run(tmp_path: Path) -> None:
    """A second trainer of a run continues the numbers; another run starts at 0."""
    with capture_events() as events:
        for _ in range(2):
            trainer = make_trainer(tmp_path, max_steps=1)
            with attach(trainer):
                trainer.train()
    assert [0, 1] == [event["generation"] for event in of_type(events, "generation")]
    other = train(make_trainer(tmp_path, max_steps=1))
    assert [0] == [event["generation"] for event in of_type(other, "generation")]


def test_tokens_of_prompts_are_counted(tmp_path: Path) -> None:
    """`prompt_tokens` is the length of the prompt according to the trainer's tokenizer."""
    trainer = make_trainer(tmp_path, max_steps=1)
    tokenizer = trainer.processing_class
    prompts = {row["question"]: row["prompt"] for row in trainer.train_dataset}
    for event in of_type(train(trainer), "model_output"):
        ids = tokenizer.apply_chat_template(
            prompts[event["question"]], add_generation_prompt=True, return_dict=True
        )
        assert len(ids["input_ids"]) == event["prompt_tokens"]


def test_groups_that_are_all_correct_or_all_wrong() -> None:
    """The shares of groups with only, and with no correct answers match the completions."""
    # All of the first group is correct, one completion of the second, none of the rest.
    correct = [*[True] * 3, *[False] * 5]
    trainer = StandIn(num_generations=2)
    with capture_events() as events, attach(trainer):
        trainer.step(
            [f"<answer>{7 if is_correct else 'no'}</answer>" for is_correct in correct],
            inputs=[{"prompt": "3 + 4?", "answer": "3 + 4 = 7 #### 7"}] * len(correct),
        )
    (reward,) = of_type(events, "reward")
    assert (0.25, 0.5) == (reward["frac_all_correct"], reward["frac_none_correct"])
    outputs = of_type(events, "model_output")
    assert correct == [event["answer"] == event["true_answer"] for event in outputs]


@pytest.mark.parametrize("name", ["total", "step", "generation", "weights", "num_generations"])
def test_function_named_like_a_field(tmp_path: Path, name: str) -> None:
    """A reward function may have the name of a field of the event; only `total` is renamed."""

    def function(completions: list[Any], **_: Any) -> list[float]:
        return [float(row) for row, _ in enumerate(completions)]

    function.__name__ = name
    trainer = make_trainer(tmp_path, rewards=[function], max_steps=1)
    events = train(trainer)
    (reward,) = of_type(events, "reward")
    shown = "total_2" if name == "total" else name
    assert [float(row) for row in range(8)] == reward[f"rewards/{shown}"] == reward["rewards/total"]
    assert (1, 0, GROUP) == (reward["step"], reward["generation"], reward["num_generations"])
    outputs = of_type(events, "model_output")
    assert [float(row) for row in range(8)] == [event[f"rewards/{shown}"] for event in outputs]
    warnings = [e for e in of_type(events, "message") if "is named 'total'" in e["message"]]
    assert (name == "total") == (1 == len(warnings))


def test_attach_again_after_detach(tmp_path: Path) -> None:
    """A trainer that is attached again after `detach` logs each completion once."""
    trainer = make_trainer(tmp_path, max_steps=1)
    first, second = attach(trainer), attach(trainer)
    first.detach()
    second.detach()
    assert 8 == len(of_type(train(trainer), "model_output"))
    with capture_events() as events:
        trainer.train()
    assert [] == of_type(events, "model_output")


def test_retried_training(tmp_path: Path) -> None:
    """A failure that the user has handled doesn't determine the status of the run."""
    failing = [True]

    def flaky(completions: list[Any], **_: Any) -> list[float]:
        if failing[0]:
            raise RuntimeError("judge unreachable")
        return [0.0 for _ in completions]

    trainer = make_trainer(tmp_path, rewards=[flaky], max_steps=1)
    with capture_events() as events:
        with pytest.raises(RuntimeError, match="judge unreachable"), attach(trainer):
            trainer.train()
        failing[0] = False
        with attach(trainer):
            trainer.train()
    (finished,) = of_type(events, "run_finished")
    assert "finished" == finished["status"]
    assert [] == [name for name in finished if name == "exception"]


@pytest.mark.parametrize("masks_truncated", [False, True])
def test_tokens_that_the_model_did_not_produce(tmp_path: Path, masks_truncated: bool) -> None:
    """The results of tools, which a trainer masks, don't count as tokens of the completion."""
    trainer = make_trainer(tmp_path, max_steps=1, mask_truncated_completions=masks_truncated)
    end = trainer.processing_class.eos_token_id

    def roll_out(prompts: list[Any], _trainer: Any) -> dict[str, Any]:
        # Row n has n tokens of the model, three of a tool, and the model's end token or another.
        rows = range(len(prompts))
        return {
            "prompt_ids": [[5, 6]] * len(prompts),
            "completion_ids": [[7] * row + [8] * 3 + [end if row % 2 else 7] for row in rows],
            "env_mask": [[1] * row + [0] * 3 + [1] for row in rows],
            "logprobs": [[0.0] * (row + 4) for row in rows],
            "board": [{"moves": row} for row in rows],
            "opponent": "random",
        }

    trainer.rollout_func = roll_out
    outputs = of_type(train(trainer), "model_output")
    unknown = masks_truncated  # what TRL masks as a whole has no mask of the tools any more
    assert [row + 1 if row % 2 or not unknown else None for row in range(8)] == [
        event.get("completion_tokens") for event in outputs
    ]
    # Whatever else the function returns is recorded by row.
    assert [(row, "random") for row in range(8)] == [
        (event["board/moves"], event["opponent"]) for event in outputs
    ]


def test_tokens_after_tool_calls() -> None:
    """In a batch with tools, a completion without their results has its length, masked or not."""
    from logflume.training.rollout_events import columns_by_type
    from logflume.training.rollouts import Rollouts

    def tokens(counts: list[int], lengths: list[int | None]) -> list[Any]:
        rollouts = Rollouts(
            generation=0,
            global_step=0,
            step=1,
            mode="train",
            prompts=[""] * len(counts),
            completions=[""] * len(counts),
            names=["a"],
            table=[[1.0]] * len(counts),
            completion_tokens=lengths,
            model_tokens=counts,
        )
        columns = {event: columns for _, event, columns in columns_by_type(rollouts)}
        return list(columns["model_output"]["completion_tokens"])

    assert [3, 5, None] == tokens([3, 0, 0], [None, 5, None])
