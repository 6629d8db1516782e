"""`attach(tokens=…)` on real trainers of TRL: what they know about each token, read back by id."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch

import logflume
from logflume.exceptions import QueryError
from logflume.formats.parquet import list_parts
from logflume.testing import capture_events
from logflume.training import attach
from logflume.training.policies import (
    ByRatio,
    best_and_worst,
    first_groups,
    keep_all,
    ratio_above,
)
from logflume.training.rollout_events import log_rollouts
from logflume.training.rollouts import Rollouts
from logflume.training.token_capture import CopiedTokens, TokenCapture
from tests.event_helpers import of_type
from tests.query.training_run import CONFIG, start
from tests.training.tiny_trainers import GROUP, make_trainer

TENSORS = {
    "logprob": "old_per_token_logps",
    "sampler_logprob": "sampling_per_token_logps",
    "ref_logprob": "ref_per_token_logps",
    "ratio": "importance_sampling_ratio",
    "mask": "tool_mask",
}
COLUMNS = ["token_id", "piece", *TENSORS]
FOUR_DECIMALS = 5.1e-5


def script_rollouts(trainer: Any, *, mode: str = "token_truncate", spread: float = 0.1) -> None:
    """Make a trainer know everything about its tokens, as with vLLM, tools and a reference model.

    Its completions are random and of different lengths. In some, tokens are not the model's own.

    Args:
        trainer: A trainer.
        mode: How the trainer limits the ratio of its probabilities and the sampler's.
        spread: How much these differ, on average, in nats.
    """
    generator = torch.Generator().manual_seed(0)
    vocabulary = len(trainer.processing_class)

    def roll_out(prompts: list[Any], trainer: Any) -> dict[str, Any]:
        ids, logprobs, masks = [], [], []
        for row, _ in enumerate(prompts):
            length = 1 + row % 6
            tokens = torch.randint(5, vocabulary, (length,), generator=generator)
            noise = torch.randn(length, generator=generator) * spread
            ids.append(tokens.tolist())
            logprobs.append((-5.8 + noise).tolist())
            masks.append([0 if row % 3 == 2 and token == 1 else 1 for token in range(length)])
        prompt_ids = [[5, 6, 7] for _ in prompts]
        return {
            "prompt_ids": prompt_ids,
            "completion_ids": ids,
            "logprobs": logprobs,
            "env_mask": masks,
        }

    trainer.rollout_func = roll_out
    trainer.use_vllm = trainer.vllm_importance_sampling_correction = True
    trainer.vllm_importance_sampling_mode = mode
    trainer.vllm_importance_sampling_clip_min, trainer.vllm_importance_sampling_clip_max = None, 2.0
    trainer.vllm_generation = SimpleNamespace(sync_weights=lambda: None)
    trainer._last_loaded_step = 0
    trainer.beta = 0.1
    trainer.ref_model = copy.deepcopy(trainer.model).eval()
    with torch.no_grad():  # so that it has other probabilities than the model
        trainer.ref_model.lm_head.weight.add_(0.1)


def record_outputs(trainer: Any) -> list[list[dict[str, Any]]]:
    """Return a list that collects the tokens of each generation, beneath logflume."""
    batches: list[list[dict[str, Any]]] = []
    original = trainer._generate_and_score_completions

    def record(inputs: Any) -> Any:
        output = original(inputs)
        batches.append([_of_row(trainer, output, row) for row in range(len(inputs))])
        return output

    trainer._generate_and_score_completions = record
    return batches


def _of_row(trainer: Any, output: Any, row: int) -> dict[str, Any]:
    count = int(output["completion_mask"][row].sum())
    ids = output["completion_ids"][row, :count].tolist()
    found = {"token_id": ids, "piece": trainer.processing_class.convert_ids_to_tokens(ids)}
    for name, key in TENSORS.items():
        values = output.get(key)
        if values is None:
            found[name] = [None] * count
        else:
            found[name] = values[row].expand(count).tolist() if values.shape[1] == 1 else None
            found[name] = found[name] or values[row, :count].tolist()
    return found


@contextmanager
def opened_run(folder: Path) -> Iterator[Any]:
    """Start a run, end it after the block, and yield it for reading."""
    info = start(folder)
    try:
        yield logflume.open_run(info.folder)
    finally:
        logflume.shutdown()


def by_id(run: Any) -> dict[str, dict[str, list[Any]]]:
    """Return the recorded tokens of each completion."""
    found: dict[str, dict[str, list[Any]]] = {}
    for row in run.tokens().to_pylist():
        of_completion = found.setdefault(row["id"], {name: [] for name in COLUMNS})
        assert row["position"] == len(of_completion["token_id"])
        for name in COLUMNS:
            of_completion[name].append(row[name])
    return found


def assert_equal(expected: dict[str, Any], found: dict[str, Any]) -> None:
    """Check the tokens of a completion, numbers to four decimals."""
    assert list(expected) == list(found)
    for name, values in expected.items():
        if name == "piece" or None in values:
            assert values == found[name]
        else:
            assert pytest.approx(values, abs=FOUR_DECIMALS, rel=1e-6, nan_ok=True) == found[name]


@pytest.mark.parametrize("mode", ["token_truncate", "sequence_mask"])
def test_tokens_are_those_of_the_trainer(tmp_path: Path, mode: str) -> None:
    """Ids, pieces, log-probabilities, ratios and masks are the trainer's, in all generations of a
    step, whatever the lengths; each completion is found by its id."""
    trainer = make_trainer(tmp_path / "t", gradient_accumulation_steps=2, max_steps=2)
    script_rollouts(trainer, mode=mode)
    batches = record_outputs(trainer)
    with opened_run(tmp_path) as run, attach(trainer, tokens=keep_all):
        trainer.train()
    expected = [tokens for batch in batches for tokens in batch]
    outputs = run.outputs(columns=["id", "completion_tokens"]).to_pylist()
    found = by_id(run)

    assert 2 == len(batches)
    assert 0 in expected[2]["mask"]
    assert [output["id"] for output in outputs] == list(found)
    for output, tokens in zip(outputs, expected, strict=True):
        assert_equal(tokens, found[output["id"]])
        assert sum(tokens["mask"]) == output["completion_tokens"]
        one = run.tokens(output["id"])
        assert tokens["token_id"] == one["token_id"].to_pylist()
        assert {output["id"]} == set(one["id"].to_pylist())


def test_best_and_worst_of_the_logged_completions(tmp_path: Path) -> None:
    """A policy selects by the reward among the completions that are logged, in each generation."""
    trainer = make_trainer(tmp_path / "t", max_steps=2)
    with (
        opened_run(tmp_path) as run,
        attach(trainer, tokens=best_and_worst(1), rollouts=first_groups(1)),
    ):
        trainer.train()
    outputs = run.outputs().to_pylist()
    expected: set[str] = set()
    for start_row in range(0, len(outputs), GROUP):
        ranked = sorted(outputs[start_row : start_row + GROUP], key=lambda o: o["rewards/total"])
        expected |= {ranked[0]["id"], ranked[-1]["id"]}

    assert 2 * GROUP == len(outputs)
    assert expected == set(by_id(run))


@pytest.mark.parametrize(
    ("mode", "limit"), [("token_truncate", 1.5), ("token_mask", 2.5), ("sequence_mask", 2.5)]
)
def test_completions_whose_ratio_passes_a_limit(tmp_path: Path, mode: str, limit: float) -> None:
    """The ratio is the one before the trainer clips it, or sets it to 0: at 2, here."""
    trainer = make_trainer(tmp_path / "t", max_steps=1, per_device_train_batch_size=16)
    script_rollouts(trainer, mode=mode, spread=1.0)
    batches = record_outputs(trainer)
    with opened_run(tmp_path) as run, attach(trainer, tokens=ratio_above(limit)):
        trainer.train()
    (batch,) = batches
    ids = run.outputs()["id"].to_pylist()
    largest = []
    for tokens in batch:
        logs = [
            (logprob - sampler) * mask
            for logprob, sampler, mask in zip(
                tokens["logprob"], tokens["sampler_logprob"], tokens["mask"], strict=True
            )
        ]
        largest.append(math.exp(sum(logs) if mode.startswith("sequence") else max(logs)))
    expected = [one for one, ratio in zip(ids, largest, strict=True) if ratio > limit]

    assert 0 < len(expected) < len(ids)
    assert expected == list(by_id(run))


def test_a_ratio_that_the_trainer_does_not_compute(tmp_path: Path) -> None:
    """Without the trainer's ratio, it follows from the log-probabilities; NaN of the sampler is
    recorded as such, with a ratio of 1."""
    trainer = make_trainer(tmp_path / "t", max_steps=1, num_iterations=2)
    script_rollouts(trainer)
    trainer.vllm_importance_sampling_correction = False
    scripted = trainer.rollout_func

    def roll_out(prompts: Any, trainer: Any) -> Any:
        output = scripted(prompts, trainer)
        output["logprobs"][1][0] = None
        return output

    trainer.rollout_func = roll_out
    batches = record_outputs(trainer)
    with opened_run(tmp_path) as run, attach(trainer, tokens=ByRatio(best_and_worst(8))):
        trainer.train()
    found = list(by_id(run).values())

    assert [None] == batches[0][0]["ratio"]
    assert math.isnan(found[1]["sampler_logprob"][0])
    for expected, tokens in zip(batches[0], found, strict=True):
        ratios = [
            math.exp((logprob - sampler) * mask) if sampler == sampler else 1.0
            for logprob, sampler, mask in zip(
                expected["logprob"], expected["sampler_logprob"], expected["mask"], strict=True
            )
        ]
        assert_equal({**expected, "ratio": ratios}, tokens)


def test_discarded_completions(tmp_path: Path) -> None:
    """A completion that the trainer discards has its ids and pieces; the others have their own
    values, although they are in other rows."""
    trainer = make_trainer(tmp_path / "t", max_steps=1)
    script_rollouts(trainer)
    trainer._generate_and_score_completions = _WithoutFirstHalf(trainer)
    batches = trainer._generate_and_score_completions.batches
    with opened_run(tmp_path) as run, attach(trainer, tokens=keep_all):
        trainer.train()
    found = list(by_id(run).values())
    half = len(found) // 2

    assert ["filtered"] * half == run.outputs()["ended_by"].to_pylist()[:half]
    for row, (expected, tokens) in enumerate(zip(batches[0], found, strict=True)):
        unknown = [None] * len(expected["token_id"])
        discarded = dict.fromkeys(TENSORS, unknown) if row < half else {}
        assert_equal({**expected, **discarded}, tokens)


class _WithoutFirstHalf:
    """Generates as the trainer does, and discards the first half of the completions."""

    def __init__(self, trainer: Any) -> None:
        self.batches = record_outputs(trainer)
        self._generate = trainer._generate_and_score_completions

    def __call__(self, inputs: Any) -> Any:
        output = self._generate(inputs)
        count = len(inputs)
        return {
            name: value[count // 2 :] if getattr(value, "ndim", 0) else value
            for name, value in output.items()
        }


def test_rows_in_another_order(tmp_path: Path) -> None:
    """Where the trainer returns its rows in another order, no completion gets the values of
    another: they are missing, and the batch says why."""
    trainer = make_trainer(tmp_path / "t", max_steps=1)
    script_rollouts(trainer)
    original = trainer._generate_and_score_completions

    def reverse(inputs: Any) -> Any:
        output = original(inputs)
        return {n: v.flip(0) if getattr(v, "ndim", 0) else v for n, v in output.items()}

    trainer._generate_and_score_completions = reverse
    with opened_run(tmp_path) as run, attach(trainer, tokens=keep_all):
        trainer.train()
    (problem,) = run.events("generation")["problem"].to_pylist()

    assert "the tokens of some rows are not those that were scored" in problem
    assert {None} == {row["logprob"] for row in run.tokens().to_pylist()}
    assert None not in run.tokens()["piece"].to_pylist()


@pytest.mark.parametrize("kind", ["grpo", "rloo"])
def test_a_trainer_without_log_probabilities(tmp_path: Path, kind: str) -> None:
    """Where the trainer knows only the ids, these and the pieces are recorded, and one warning says
    what is missing."""
    trainer = make_trainer(tmp_path, kind, max_steps=2)
    with capture_events() as events, attach(trainer, tokens=first_groups(1)):
        trainer.train()
    warnings = [e["message"] for e in of_type(events, "message") if "tokens" in e["message"]]
    recorded = of_type(events, "tokens")

    assert 1 == len(warnings)
    assert "computes no log-probabilities" in warnings[0]
    assert 2 * GROUP == len(recorded)
    assert not set(TENSORS) & {name for event in recorded for name in event}
    assert all(len(event["token_ids"]) == len(event["pieces"]) > 0 for event in recorded)


def test_a_policy_by_ratio_without_ratios(tmp_path: Path) -> None:
    """A policy that selects by the ratio, and a trainer that has none: nothing is recorded, and one
    warning says so."""
    trainer = make_trainer(tmp_path, max_steps=2)
    with capture_events() as events, attach(trainer, tokens=ratio_above(2.0)):
        trainer.train()
    messages = [event["message"] for event in of_type(events, "message")]

    assert 1 == sum("no tokens are recorded" in message for message in messages)
    assert [] == of_type(events, "tokens")


def test_a_policy_that_fails(tmp_path: Path) -> None:
    """Completions and rewards are logged without tokens, and the batch says why."""

    def fail(*_: Any) -> list[int]:
        raise RuntimeError("no idea")

    trainer = make_trainer(tmp_path, max_steps=1)
    with capture_events() as events, attach(trainer, tokens=fail):
        trainer.train()
    (generation,) = of_type(events, "generation")

    assert 8 == len(of_type(events, "model_output"))
    assert "no idea" in generation["problem"]


def test_without_a_policy_no_tokens(tmp_path: Path) -> None:
    """By default no tokens are recorded, and asking for some is an error that says how to."""
    trainer = make_trainer(tmp_path / "t", max_steps=1)
    with opened_run(tmp_path) as run, attach(trainer):
        trainer.train()

    assert "tokens" not in run.types()
    assert 0 == len(run.tokens())
    with pytest.raises(QueryError, match=r"attach\(trainer, tokens=best_and_worst\(2\)\)"):
        run.tokens("rank0-0-0")


def test_ids_without_tokens(tmp_path: Path) -> None:
    """The error says whether there is such a completion, and which ones have tokens."""
    trainer = make_trainer(tmp_path / "t", max_steps=1)
    with opened_run(tmp_path) as run, attach(trainer, tokens=first_groups(1)):
        trainer.train()

    with pytest.raises(QueryError, match=r"'rank0-0-7' has no tokens.*4 completions.*rank0-0-3"):
        run.tokens("rank0-0-7")
    with pytest.raises(QueryError, match="'rank0-0-8' is not the id of a completion"):
        run.tokens("rank0-0-8")


def test_the_training_is_the_same(tmp_path: Path) -> None:
    """The weights after a training are the same, to the last bit, with and without tokens."""
    weights = []
    for policy in (None, best_and_worst(2), ratio_above(1.1)):
        trainer = make_trainer(tmp_path, max_steps=2)
        script_rollouts(trainer)
        with capture_events(), attach(trainer, tokens=policy):
            trainer.train()
        weights.append(trainer.model.state_dict())

    for other in weights[1:]:
        assert all(torch.equal(value, other[name]) for name, value in weights[0].items())


def test_policies_can_be_pickled() -> None:
    """Policies for tokens can be sent to another process."""
    for policy in (ratio_above(2.0), ByRatio(best_and_worst(1))):
        assert [1] == pickle.loads(pickle.dumps(policy)).policy(0, [0.5, 3.0, None], None)[-1:]


@pytest.mark.parametrize("policy", [3, "all", ["best"]])
def test_what_is_no_policy(tmp_path: Path, policy: Any) -> None:
    """What isn't a policy is refused, and the trainer is as before."""
    trainer = make_trainer(tmp_path)
    by_ratio: Any = ratio_above(2.0)  # which selects by tokens, not by reward
    with pytest.raises(TypeError, match=r"attach\(tokens=.*best_and_worst\(2\)"):
        attach(trainer, tokens=policy)
    with pytest.raises(TypeError, match=r"attach\(rollouts="):
        attach(trainer, rollouts=by_ratio)
    assert "_calculate_rewards" not in vars(trainer)


class Vocabulary:
    """A tokenizer with as many tokens as a large model has, and words of the usual length."""

    def convert_ids_to_tokens(self, ids: list[int]) -> list[str]:
        """Return words of 2 to 6 letters, most of them after a space."""
        return [f"{'Ġ' if token % 4 else ''}{'etaoin'[: 2 + token % 5]}" for token in ids]


def copy_tokens(token_ids: list[list[int]], output: dict[str, Any]) -> CopiedTokens:
    """Copy the tokens of completions, and what a trainer returns about them."""
    capture = TokenCapture(SimpleNamespace(processing_class=Vocabulary()), keep_all)
    return capture.copy(token_ids, output)


def log_tokens(tokens: CopiedTokens) -> None:
    """Log a batch whose tokens are all recorded."""
    rows = len(tokens.token_ids)
    log_rollouts(
        Rollouts(
            generation=0,
            global_step=0,
            step=1,
            mode="train",
            prompts=["?"] * rows,
            completions=["!"] * rows,
            names=[],
            table=[[]] * rows,
            tokens=tokens,
        )
    )


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64, None])
def test_arrays_of_any_type(tmp_path: Path, dtype: torch.dtype | None) -> None:
    """Values may be tensors of any precision, or lists of the length of each completion."""
    values = [[-0.125, -7.5, 0.0], [], [-2.25]]
    masks = [[1, 0, 1], [], [1]]
    output: dict[str, Any] = {"old_per_token_logps": values, "tool_mask": masks}
    if dtype is not None:
        padded = [[*row, *[9.0] * (3 - len(row))] for row in values]
        output["old_per_token_logps"] = torch.tensor(padded, dtype=dtype)
        output["tool_mask"] = torch.tensor([[1, 0, 1], [1, 1, 1], [1, 1, 1]], dtype=torch.bool)
    with opened_run(tmp_path) as run:
        log_tokens(copy_tokens([[5, 6, 7], [], [8]], output))
    found = run.tokens()

    assert [-0.125, -7.5, 0.0, -2.25] == found["logprob"].to_pylist()
    assert [1, 0, 1, 1] == found["mask"].to_pylist()
    assert ["rank0-0-0"] * 3 + ["rank0-0-2"] == found["id"].to_pylist()


def test_a_very_long_completion(tmp_path: Path) -> None:
    """A completion of any length is recorded whole."""
    ids = list(range(120_000))
    logprobs = [-token / 8 for token in ids]
    with opened_run(tmp_path) as run:
        log_tokens(copy_tokens([ids], {"old_per_token_logps": [logprobs]}))
    found = run.tokens("rank0-0-0")

    assert ids == found["token_id"].to_pylist()
    assert logprobs == found["logprob"].to_pylist()


def test_tensors_that_change_after_the_call(tmp_path: Path) -> None:
    """The values are those at the time of the call, whatever becomes of lists and tensors."""
    logprobs, ids = torch.tensor([[-1.0, -2.0]]), [[5, 6]]
    copied = copy_tokens(ids, {"old_per_token_logps": logprobs})
    logprobs.zero_()
    ids[0].clear()
    with opened_run(tmp_path) as run:
        log_tokens(copied)
    found = run.tokens()

    assert [(5, -1.0), (6, -2.0)] == list(
        zip(found["token_id"].to_pylist(), found["logprob"].to_pylist(), strict=True)
    )


def test_the_size_of_tokens(tmp_path: Path) -> None:
    """With everything known, a token takes at most 50 bytes in the journal, and 20 in Parquet."""
    rows, length = 4, 1_024
    generator = torch.Generator().manual_seed(0)

    def random(scale: float) -> Any:
        return torch.randn(rows, length, generator=generator) * scale

    frequencies = 1 / torch.arange(1, 150_001)  # as those of words
    ids = torch.multinomial(frequencies, rows * length, replacement=True, generator=generator)
    ids = ids.reshape(rows, length)
    logprob = -(random(1.0).abs() ** 2)
    sampler = (logprob + random(0.05)).clamp(max=0)
    output = {
        "completion_ids": ids,
        "old_per_token_logps": logprob,
        "sampling_per_token_logps": sampler,
        "ref_per_token_logps": (logprob + random(0.2)).clamp(max=0),
        "importance_sampling_ratio": (logprob - sampler).exp(),
        "tool_mask": (random(1.0) < 1.5).long(),
    }
    with opened_run(tmp_path) as run:
        log_tokens(copy_tokens(ids.tolist(), output))
    folder = run.folder / "parquet" / "tokens"
    (part,) = (folder / part.name for part in list_parts(folder))
    footer = pq.read_metadata(part)
    columns = [footer.row_group(0).column(i) for i in range(footer.num_columns)]
    stored = sum(column.total_compressed_size for column in columns)
    lines = [
        line
        for line in (run.folder / "events.jsonl").read_bytes().splitlines(keepends=True)
        if b'"event":"tokens"' in line
    ]

    assert rows * length == len(run.tokens())
    assert 1 == footer.num_row_groups
    assert 50 >= sum(map(len, lines)) / (rows * length)
    assert 20 >= stored / (rows * length)


def test_secrets_in_pieces_are_kept(tmp_path: Path) -> None:
    """What a model wrote is kept as it is, also in pieces, with `redact_secrets`."""
    info = logflume.initialize({**CONFIG, "processors": ["redact_secrets"]}, dir=tmp_path, run="r")
    pieces = ["password=hunter22", "ghp_16C7e42F292c6912E7710c838347Ae178B4a"]
    log = logflume.get_logger("model")
    log.info("tokens", id="a", token_ids=[1, 2], pieces=pieces)
    logflume.shutdown()

    assert pieces == logflume.open_run(info.folder).tokens("a")["piece"].to_pylist()


def test_values_that_are_no_lists_of_integers(tmp_path: Path) -> None:
    """Integral numbers become integers; a list with anything else is kept in `extras`."""
    info = start(tmp_path)
    log = logflume.get_logger("model")
    for ids in ([1, 2.0, None], [1.5], [True], [2**63], ["a"], 1):
        log.info("tokens", token_ids=ids)
    logflume.shutdown()
    events = logflume.open_run(info.folder).events("tokens").to_pylist()

    assert [[1, 2, None], *[None] * 5] == [event["token_ids"] for event in events]
    assert [False, *[True] * 5] == ["token_ids" in (e["extras"] or "") for e in events]
