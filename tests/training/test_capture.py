"""What `attach` captures of trainers that differ from TRL's, and of what they discard."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import TrainerState

import logflume
from logflume.testing import capture_events
from logflume.training import attach
from logflume.training.callbacks import OptimizedLoggingCallback
from logflume.training.policies import first_groups
from tests.event_helpers import of_type
from tests.query.training_run import start
from tests.training.stand_in import END, StandIn, count_reward


class FilteringTrainer(StandIn):
    """Scores two batches for one update, and trains on the rows with the highest rewards."""

    def _generate_and_score_completions(self, inputs: Any) -> dict[str, Any]:
        (batch,) = self.next
        kept: list[list[int]] = []
        for start_row in (0, 2):
            rows = slice(start_row, start_row + 2)
            parts = {name: values[rows] for name, values in batch.items()}
            self._calculate_rewards(**parts)
            kept.append(parts["completion_ids_list"][1])
        return self.output_of(kept, torch.tensor([0.25, 0.75]))


def test_discarded_rollouts_are_kept_and_marked() -> None:
    """Rollouts that were scored and not trained on are there; only the others have advantages."""
    trainer = FilteringTrainer()
    with capture_events() as events, attach(trainer):
        trainer.step(["a", "b", "c", "d"], token_ids=[[2, END], [3, END], [4, 5], [6, END]])
    outputs = of_type(events, "model_output")
    assert ["a", "b", "c", "d"] == [event["model_output"] for event in outputs]
    assert ["filtered", "stop", "filtered", "stop"] == [event["ended_by"] for event in outputs]
    assert [None, 0.25, None, 0.75] == [event["advantage"] for event in outputs]
    assert [False, False, True, False] == [event["truncated"] for event in outputs]
    assert [0, 0, 1, 1] == [event["generation"] for event in outputs]


def test_log_extra_columns_are_recorded_by_row() -> None:
    """Each column has one value a completion; two of one name are two fields, and one of another
    length is reported. The trainer gets all of them."""

    def judge(completions: list[Any], log_extra: Callable[..., None], **_: Any) -> list[float]:
        log_extra("verdict", (f"v{row}" for row, _ in enumerate(completions)))
        log_extra("answer", ["mine"] * len(completions))
        log_extra("detail", [{"score": row} for row, _ in enumerate(completions)])
        return [1.0] * len(completions)

    def critic(completions: list[Any], log_extra: Callable[..., None], **_: Any) -> list[float]:
        log_extra("verdict", ["other"] * len(completions))
        log_extra("short", [1])
        return [0.0] * len(completions)

    trainer = StandIn([judge, critic])
    with capture_events() as events, attach(trainer):
        trainer.step(["a", "b"])
    outputs = of_type(events, "model_output")
    assert ["v0", "v1"] == [event["verdict"] for event in outputs]
    assert ["mine", "mine"] == [event["columns/answer"] for event in outputs]
    assert [0, 1] == [event["detail/score"] for event in outputs]
    assert {"other"} == {event["verdict_2"] for event in outputs}
    assert ["v0", "v1", "other", "other"] == trainer._pending_extra_logs["verdict"]
    (message,) = [e["message"] for e in of_type(events, "message")]
    assert "log_extra('short'): 1 values for 2 completions" in message


def test_metrics_that_are_logged_for_each_completion_are_recorded_by_row() -> None:
    """A metric with a value for each completion is a field of theirs; the mean of others is with
    the batch. The trainer gets all of them."""

    def judge(completions: list[Any], log_metric: Callable[..., None], **_: Any) -> list[float]:
        for row, _completion in enumerate(completions):
            log_metric("length", torch.tensor(row + 1.0))
            log_metric("answer", row)
        log_metric("once", 5)
        return [1.0] * len(completions)

    def critic(completions: list[Any], log_metric: Callable[..., None], **_: Any) -> list[float]:
        log_metric("once", 7)
        log_metric("broken", "text")
        for _completion in completions:
            log_metric("length", 9.0)
        return [0.0] * len(completions)

    trainer = StandIn([judge, critic])
    with capture_events("flatten_rewards") as events, attach(trainer):
        trainer.step(["a", "b"])
    outputs = of_type(events, "model_output")
    (generation,) = of_type(events, "generation")

    assert [(1.0, 9.0, 0), (2.0, 9.0, 1)] == [
        (event["length"], event["length_2"], event["columns/answer"]) for event in outputs
    ]
    assert 6.0 == generation["metrics/once"]
    assert [1.0, 2.0, 9.0, 9.0] == trainer._pending_metrics["length"]


def test_columns_that_a_trainer_has_pending_are_recorded() -> None:
    """Columns that were logged without the argument `log_extra` are found in the trainer."""

    class Direct(StandIn):
        def _calculate_rewards(self, *args: Any) -> Any:
            self._pending_extra_logs["direct"].extend([1, 2])
            return super()._calculate_rewards(*args)

    trainer = Direct()
    with capture_events() as events, attach(trainer):
        trainer.step(["a", "b"])
    assert [1, 2] == [event["direct"] for event in of_type(events, "model_output")]


def test_ids_of_completions_and_prompts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids are unique over ranks, attempts and plain calls; a prompt has one id in all of them, and
    the one of its column where that is given."""
    prompts = [[{"role": "user", "content": "1 + 1?"}], "2 + 2?"]
    for rank in ("0", "0", "1"):
        monkeypatch.setenv("RANK", rank)
        run = start(tmp_path)
        trainer = StandIn()
        with attach(trainer):
            trainer.step(["a", "b"], prompts=prompts)
        logflume.log_model_output("1 + 1?", "2", "by hand")
        logflume.shutdown()
    rows = logflume.open_run(run.folder, attempts="all").outputs().to_pylist()
    ids = [row["id"] for row in rows]
    assert 9 == len(set(ids))
    assert {"rank0-0-0", "rank0-1-2", "rank1-0-1"} < set(ids)
    by_prompt = {row["prompt"]: row["prompt_id"] for row in rows if row["prompt"]}
    assert 2 == len(set(by_prompt.values()))
    assert all(row["prompt_id"] == by_prompt[row["prompt"]] for row in rows if row["prompt"])
    assert {16} == set(map(len, by_prompt.values()))

    with capture_events() as events, attach(StandIn(), prompt_id="key") as attachment:
        attachment._trainer.step(["a", "b"], inputs=[{"key": 7}, {"key": 8}])
    assert ["7", "8"] == [event["prompt_id"] for event in of_type(events, "model_output")]


def test_policies_choose_before_texts_are_read() -> None:
    """Ids count the completions that are logged, not those that a policy leaves out."""
    trainer = StandIn()
    with capture_events() as events, attach(trainer, rollouts=first_groups(1)):
        trainer.step(["a", "b", "c", "d"])
        trainer.step(["e", "f", "g", "h"])
    outputs = of_type(events, "model_output")
    assert [f"rank0-0-{n}" for n in range(4)] == [event["id"] for event in outputs]
    assert ["a", "b", "e", "f"] == [event["model_output"] for event in outputs]


class UnslothLike(StandIn):
    """Calls as the trainers do that Unsloth generates: through `self`, with keywords, prompts as
    strings, and the model in evaluation while it generates."""

    def _generate_and_score_completions(self, inputs: Any) -> dict[str, Any]:
        (batch,) = self.next
        self.model.eval()
        rewards = self._calculate_rewards(
            inputs=inputs,
            prompts=batch["prompts"],
            completions=batch["completions"],
            completion_ids_list=batch["completion_ids_list"],
        )
        return self.output_of(batch["completion_ids_list"], rewards.sum(dim=1))


def test_a_trainer_that_toggles_the_mode_is_read_before_it_does() -> None:
    """Rollouts for training have the mode `train`, although the model is evaluating by then."""
    trainer = UnslothLike()
    with capture_events() as events, attach(trainer):
        trainer.step(["a", "b"])
    assert {("train", 1)} == {(e["mode"], e["step"]) for e in of_type(events, "model_output")}


def picture(color: tuple[int, int, int], mode: str = "RGB") -> Any:
    """Return a small image."""
    image = pytest.importorskip("PIL.Image")
    return image.new("RGB", (8, 6), color).convert(mode)


def test_images_are_stored_once_by_content(tmp_path: Path) -> None:
    """Images of prompts, of tool results, of columns and data URLs are files under `media/`, each
    content once; the messages refer to them, and `prompt_id` follows from what they show."""
    image_module = pytest.importorskip("PIL.Image")
    red, blue = picture((255, 0, 0)), picture((0, 0, 255), "CMYK")
    encoded = io.BytesIO()
    red.save(encoded, "PNG")
    url = f"data:image/png;base64,{base64.b64encode(encoded.getvalue()).decode()}"

    def prompt(image: Any) -> list[dict[str, Any]]:
        parts = [{"type": "image", "image": image}, {"type": "text", "text": "Which color?"}]
        return [{"role": "user", "content": parts}]

    result = [{"role": "tool", "name": "draw", "content": [{"type": "image", "image": blue}]}]
    linked = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]
    run = start(tmp_path)
    trainer = StandIn()
    with attach(trainer):
        prompts = [prompt(red), prompt(picture((255, 0, 0))), prompt(blue), linked]
        trainer.step(["a", result, "c", "d"], prompts=prompts)
        trainer.step(["e", "f"], prompts=["p", "p"], inputs=[{"image": red}, {"image": blue}])
    logflume.shutdown()
    rows = logflume.open_run(run.folder).outputs().to_pylist()

    names = {path.name for path in (run.folder / "media").iterdir()}
    assert 3 == len(names)  # red, blue, and the file of the data URL
    first, second, third, fourth = (json.loads(row["prompt_messages"]) for row in rows[:4])
    path = first[0]["content"][0]["image"]
    with image_module.open(run.folder / path) as stored:
        assert (255, 0, 0) == stored.convert("RGB").getpixel((0, 0))
    assert first == second != third
    assert rows[0]["prompt_id"] == rows[1]["prompt_id"] != rows[2]["prompt_id"]
    assert f"[image {path}]Which color?" == rows[0]["prompt"]
    (shown,) = json.loads(rows[1]["messages"])[0]["content"]
    assert third[0]["content"][0]["image"] == shown["image"]
    assert f"[image {shown['image']}]" == rows[1]["model_output"]
    linked_path = fourth[0]["content"][0]["image_url"]["url"]
    assert encoded.getvalue() == (run.folder / linked_path).read_bytes()
    assert [[path], [shown["image"]]] == [row["images"] for row in rows[4:]]
    assert rows[4]["prompt_id"] != rows[5]["prompt_id"]


def test_an_image_that_cannot_be_stored_is_marked(tmp_path: Path) -> None:
    """The completion is kept, and the mark says why its image isn't."""
    run = start(tmp_path)
    (run.folder / "media").write_text("in the way")
    prompt = [{"role": "user", "content": [{"type": "image", "image": picture((1, 2, 3))}]}]
    trainer = StandIn()
    with attach(trainer):
        trainer.step(["a", "b"], prompts=[prompt, prompt])
    logflume.shutdown()
    opened = logflume.open_run(run.folder)
    row, _ = opened.outputs().to_pylist()
    (shown,) = json.loads(row["prompt_messages"])[0]["content"]
    assert shown["image"].startswith("<image: ")
    (generation,) = opened.events("generation").to_pylist()
    assert "image" in generation["problem"]


def test_other_names_of_arguments_are_found() -> None:
    """Where the method that scores names its arguments otherwise, those of the reward functions
    are used, and nothing is missing but what they don't get."""

    class Renamed(StandIn):
        def _calculate_rewards(self, rows: Any, questions: Any, texts: Any, tokens: Any) -> Any:
            return super()._calculate_rewards(rows, questions, texts, tokens)

    trainer = Renamed()
    with capture_events() as events, attach(trainer):
        trainer.step(["a", "b"])
    outputs = of_type(events, "model_output")
    assert [("a", 0.0), ("b", 1.0)] == [
        (event["model_output"], event["rewards/count_reward"]) for event in outputs
    ]
    assert {"1 + 1?"} == {event["prompt"] for event in outputs}
    assert [] == of_type(events, "message")


@pytest.mark.parametrize("missing", ["_calculate_rewards", "_generate_and_score_completions"])
def test_a_trainer_with_other_methods_says_what_is_missing(missing: str) -> None:
    """Without one of the two methods, rewards and texts are still logged, and one line says what
    isn't."""

    class Other(StandIn):
        pass

    setattr(Other, missing, None)
    trainer = Other()
    with capture_events() as events, attach(trainer):
        for _ in range(2):
            for function in trainer.reward_funcs:
                function(prompts=["p", "p"], completions=["a", "b"])
    (message,) = [e["message"] for e in of_type(events, "message")]
    assert "without advantages" in message
    assert "Other" in message
    assert ["a", "b"] * 2 == [e["model_output"] for e in of_type(events, "model_output")]


def test_a_callback_of_an_ended_training_has_no_effect() -> None:
    """Completions are all logged again once a training that logs a tenth of them has ended."""
    callback, state = OptimizedLoggingCallback(10), TrainerState(max_steps=1)
    trainer = StandIn()
    trainer._calculate_rewards = None  # type: ignore[assignment]
    with capture_events() as events:
        callback.on_train_begin(None, state, None)
        callback.on_train_end(None, state, None)
        with attach(trainer):
            for _ in range(2):
                for function in trainer.reward_funcs:
                    function(prompts=["p", "p"], completions=["a", "b"])
    assert ["a", "b"] * 2 == [e["model_output"] for e in of_type(events, "model_output")]


def broken(*_: Any, **__: Any) -> Any:
    """Raise, as an attribute of a trainer that has changed."""
    raise RuntimeError("changed")


@pytest.mark.parametrize(
    ("attributes", "output", "named"),
    [
        ({}, {"advantages": None}, None),
        ({"accelerator": None}, {}, "rank"),
        ({"reward_weights": object()}, {}, "weights"),
        ({}, {"prompt_mask": object()}, "lengths of prompts"),
        ({}, {"tool_mask": object()}, "tool mask"),
        ({"reward_func_names": None}, {}, None),
        ({"state": None}, {}, None),
        ({"eos_token_ids": 5}, {}, "last tokens"),
    ],
)
def test_a_rollout_that_can_be_read_in_part_keeps_the_rest(
    attributes: dict[str, Any], output: dict[str, Any], named: str | None
) -> None:
    """What can't be read of a trainer is missing, one line says so, and all texts are there."""

    class Partial(StandIn):
        def output_of(self, token_ids: Sequence[Sequence[int]], advantages: Any) -> dict[str, Any]:
            return {**super().output_of(token_ids, advantages), **output}

    trainer = Partial(**attributes)
    with capture_events() as events, attach(trainer):
        trainer.step(["a", "b"])
        trainer.step(["c", "d"])
    outputs = of_type(events, "model_output")
    assert ["a", "b", "c", "d"] == [event["model_output"] for event in outputs]
    assert [0.0, 1.0] * 2 == [event["rewards/count_reward"] for event in outputs]
    messages = [event["message"] for event in of_type(events, "message")]
    assert (0 if named is None else 1) == len(messages)
    assert named is None or named in messages[0]


def test_completions_of_any_type_are_kept() -> None:
    """A completion that is no text and no conversation is recorded as JSON, others as they are."""

    class Custom:
        def __repr__(self) -> str:
            return "custom"

    odd: list[Any] = [None, 5, ["x", "y"], {"role": "assistant", "content": 4}, [], Custom()]
    trainer = StandIn([count_reward], num_generations=6)
    with capture_events() as events, attach(trainer):
        trainer.step(odd)
    outputs = of_type(events, "model_output")
    assert 6 == len(outputs)
    assert ["null", "5", '["x", "y"]', "4", "", "custom"] == [e["model_output"] for e in outputs]


def test_the_prompt_in_the_results_of_a_group_over_two_ranks() -> None:
    """A rank whose completions begin within a group continues it."""

    class SecondRank(StandIn):
        def _calculate_rewards(self, *args: Any) -> Any:
            rewards = super()._calculate_rewards(*args)
            return torch.cat([rewards - 5, rewards])  # gathered from both ranks

    trainer = SecondRank(num_generations=4)
    trainer.accelerator.process_index = 1
    with capture_events() as events, attach(trainer):
        trainer.step(["a", "b"])
    assert [(0, 2, 0.0), (0, 3, 1.0)] == [
        (event["group"], event["index"], event["rewards/total"])
        for event in of_type(events, "model_output")
    ]
