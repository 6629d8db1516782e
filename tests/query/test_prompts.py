"""Prompts of a run, their changes between two steps, and the estimates by step and column."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

import logflume
from logflume.query.open_run import Run
from logflume.query.prompt_ids import hash_text
from tests.cli.commands import run as run_command
from tests.query.rollout_runs import Completion, log_completions, write_attempts
from tests.query.training_run import start

ID = "{:016x}".format


def visit(prompt: int, step: int, solved: Sequence[int], mode: str = "train") -> list[Completion]:
    """Return a group of completions, of which some solve the prompt."""
    return [
        Completion(prompt, prompt, i, float(s), bool(s), str(s), step, mode)
        for i, s in enumerate(solved)
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in which each prompt changes in another way between the steps 10 and 20."""
    by_rank = {
        0: [
            *visit(0, 1, [0, 0]),
            *visit(1, 1, [1, 0]),
            *visit(2, 1, [0, 0]),
            *visit(3, 10, [1, 1]),
            *visit(4, 5, [1, 0]),
        ],
        1: [
            *visit(0, 12, [0, 1]),
            *visit(1, 12, [0, 0]),
            *visit(2, 20, [0, 0]),
            *visit(3, 20, [1, 1]),
            *visit(3, 30, [0, 0]),
            *visit(0, 20, [0, 0, 1, 1], "eval"),
        ],
    }
    return write_attempts(tmp_path_factory.mktemp("logs"), [by_rank])


def test_changes_between_two_steps(folder: Path) -> None:
    """The latest visit up to the first step is compared with the latest one after it."""
    run = logflume.open_run(folder)
    rows = {r["prompt_id"]: r for r in run.prompts(between=(10, 20), mode="train").to_pylist()}
    names = ["change", "before_step", "before", "after_step", "after"]
    assert {
        ID(0): ["newly_solved", 1, 0.0, 12, 0.5],
        ID(1): ["forgotten", 1, 0.5, 12, 0.0],
        ID(2): ["never", 1, 0.0, 20, 0.0],
        ID(3): ["always", 10, 1.0, 20, 1.0],
        ID(4): [None, 5, 0.5, None, None],
    } == {prompt_id: [row[name] for name in names] for prompt_id, row in rows.items()}
    forgotten = run.prompts(between=(10, 20), change="forgotten")["prompt_id"].to_pylist()
    assert [ID(1)] == forgotten


def test_changes_in_the_whole_run(folder: Path) -> None:
    """Without two steps, the change is that of all visits: of the first, the latest and any."""
    run = logflume.open_run(folder)
    rows = run.prompts(mode="train").to_pylist()
    for row in rows:
        solved = {
            "newly_solved": row["first"] == 0 < row["latest"],
            "forgotten": row["latest"] == 0 < row["best"],
            "never": row["best"] == 0,
            "always": row["worst"] > 0,
        }
        assert row["change"] == next((name for name, holds in solved.items() if holds), None)
    assert {"newly_solved", "forgotten", "never", "always"} <= {row["change"] for row in rows}
    for change in ("newly_solved", "forgotten", "never", "always"):
        expected = [row for row in rows if row["change"] == change]
        assert expected == run.prompts(change=change, order="first_step").to_pylist()


def test_training_and_evaluation_are_not_pooled(folder: Path) -> None:
    """Prompts are those of training; evaluations are selected, or rows of their own."""
    run = logflume.open_run(folder)
    training = run.prompts(mode="train").to_pylist()
    evaluation = run.prompts(mode="eval").to_pylist()
    assert training == run.prompts().to_pylist()
    assert [(ID(0), "eval", 1, 4)] == [
        (row["prompt_id"], row["mode"], row["visits"], row["completions"]) for row in evaluation
    ]
    both = run.prompts(mode="both", order="mode").to_pylist()
    assert [*evaluation, *training] == both
    assert [ID(2), ID(3)] == run.prompts(steps=20)["prompt_id"].to_pylist()


def test_a_run_that_has_only_evaluations(tmp_path: Path) -> None:
    """Without any training, prompts are those of evaluations, also beside a run with training."""
    evaluated = [*visit(0, 1, [1], "eval"), *visit(0, 2, [0], "eval")]
    trained = [*visit(0, 1, [1]), *visit(0, 2, [1]), *visit(1, 3, [0], "eval")]
    folders = [
        write_attempts(tmp_path / name, [{0: completions}])
        for name, completions in (("evaluated", evaluated), ("trained", trained))
    ]
    (row,) = logflume.open_run(folders[0]).prompts().to_pylist()
    assert ("eval", "forgotten") == (row["mode"], row["change"])
    assert 0 == len(logflume.open_run(folders[0]).prompts(mode="train"))
    runs = logflume.open_runs(folders)
    rows = runs.prompts().to_pylist()
    assert {("eval", "forgotten"), ("train", "always")} == {
        (row["mode"], row["change"]) for row in rows
    }
    # No step of this run has only evaluations that count.
    assert 0 < len(runs.outputs(steps=3))
    assert 0 == len(runs.prompts(steps=3))


@pytest.mark.parametrize("between", [None, (2, 3)])
def test_what_changed_most_comes_first(tmp_path: Path, between: tuple[int, int] | None) -> None:
    """Forgotten prompts are sorted by what they lost, newly solved ones by what they gained."""
    lost, gained = {0: 1, 1: 4, 2: 2}, {3: 1, 4: 4, 5: 2}
    completions = [
        *(one for p, n in lost.items() for one in visit(p, 1, [1] * n + [0] * (4 - n))),
        *(one for p, n in lost.items() for one in visit(p, 2, [1] * n + [0] * (4 - n))),
        *(one for p in lost for one in visit(p, 3, [0] * 4)),
        *(one for p in gained for one in visit(p, 2, [0] * 4)),
        *(one for p, n in gained.items() for one in visit(p, 3, [1] * n + [0] * (4 - n))),
    ]
    run = logflume.open_run(write_attempts(tmp_path, [{0: completions}]))

    def ids(**filters: Any) -> list[str]:
        found: list[str] = run.prompts(between=between, **filters)["prompt_id"].to_pylist()
        return found

    assert [ID(1), ID(2), ID(0)] == ids(change="forgotten")
    assert [ID(4), ID(5), ID(3)] == ids(change="newly_solved")
    assert [ID(0), ID(2), ID(1)] == ids(change="forgotten", order="solve_rate")


def test_filters_and_order(folder: Path) -> None:
    """Prompts are filtered by mode, rate and visits, sorted by any column, and limited."""
    run = logflume.open_run(folder)

    def ids(**filters: Any) -> list[str]:
        found: list[str] = run.prompts(**filters)["prompt_id"].to_pylist()
        return found

    assert [ID(0), ID(1), ID(2), ID(4), ID(3)] == ids()
    assert [ID(0)] == ids(mode="eval")
    assert [ID(2)] == ids(max_rate=0)
    assert [ID(4), ID(3)] == ids(min_rate=0.5)
    assert [ID(3)] == ids(min_visits=3)
    assert [ID(3), ID(4), ID(0), ID(1), ID(2)] == ids(order="-solve_rate")
    assert [ID(3), ID(0)] == ids(order=["-visits", "-latest"], limit=2)
    assert [ID(3)] == ids(steps=(21, None))


def test_one_prompt(folder: Path) -> None:
    """The completions of a prompt are in the order of its visits, with all their columns."""
    run = logflume.open_run(folder)
    rows = run.prompt(ID(0)).to_pylist()
    assert [(0, 1), (0, 1), (1, 12), (1, 12)] == [(r["visit"], r["step"]) for r in rows[:4]]
    assert [(0, 20, "eval")] * 4 == [(r["visit"], r["step"], r["mode"]) for r in rows[4:]]
    assert [False, False, False, True] == [row["solved"] for row in rows[:4]]
    assert "completion 1 of 0" == rows[1]["model_output"]
    chosen = run.prompt(ID(0), mode="eval", columns=["answer"]).to_pylist()
    assert {"visit": 0, "solved": True, "answer": "1"} == chosen[-1]
    assert [1, 1] == run.prompt(ID(0), steps=12)["visit"].to_pylist()
    with pytest.raises(logflume.QueryError, match="no completion has this prompt"):
        run.prompt("nothing")
    with pytest.raises(logflume.QueryError, match=f"5 ids begin like this: {ID(0)}, .*, …"):
        run.prompt(ID(0)[:3])


def test_estimates_by_a_column_of_the_dataset(folder: Path) -> None:
    """Estimates have a row for each k, mode and value; training and evaluation stay apart."""
    run = logflume.open_run(folder)
    rows = run.pass_at([1, 2], by="level").to_pylist()
    found = {(r["k"], r["mode"], r["level"]): (r["value"], r["prompts"], r["groups"]) for r in rows}
    assert {
        (1, "train", "level 0"): (0.5, 2, 5),
        (1, "train", "level 1"): (pytest.approx(1 / 3), 2, 3),
        (1, "train", "level 2"): (0.0, 1, 2),
        (1, "eval", "level 0"): (0.5, 1, 1),
        (2, "train", "level 0"): (pytest.approx(3 / 5), 2, 5),
        (2, "train", "level 1"): (pytest.approx(2 / 3), 2, 3),
        (2, "train", "level 2"): (0.0, 1, 2),
        (2, "eval", "level 0"): (pytest.approx(5 / 6), 1, 1),
    } == found
    train, evaluation = run.pass_at(4, by=()).to_pylist()
    assert (None, 0, 10) == (train["value"], train["groups"], train["skipped"])
    assert (1.0, 1, 0) == (evaluation["value"], evaluation["groups"], evaluation["skipped"])


def test_errors_name_the_problem(folder: Path) -> None:
    """Errors of these queries say what is wrong and what is possible."""
    run = logflume.open_run(folder)
    queries: dict[str, Callable[[], object]] = {
        "pass_at: k=5, but the largest group has 4": lambda: run.pass_at([1, 5]),
        "k=0: expected a number of completions, 1 or more": lambda: run.best_at(0),
        "by='levle': .* Did you mean 'level'": lambda: run.majority_at(1, by="levle"),
        "by='answer': it differs between completions": lambda: run.pass_at(1, by="answer"),
        "no field 'rewards/x'": lambda: run.best_at(1, reward="rewards/x"),
        "'answer' is not a number but string": lambda: run.best_at(1, reward="answer"),
        "order='-solve_rat': .* did you mean 'solve_rate'": lambda: run.prompts(order="-solve_rat"),
        "change='lost': expected one of newly_solved": lambda: run.prompts(change="lost"),  # type: ignore[arg-type]
        "mode='test': expected one of train, eval, both": lambda: run.prompts(mode="test"),  # type: ignore[arg-type]
        "the first step must be the lower one": lambda: run.prompts(between=(5, 5)),
        "mode='test': expected 'train' or 'eval'": lambda: run.groups(mode="test"),  # type: ignore[arg-type]
        "limit=-1": lambda: run.prompts(limit=-1),
    }
    for message, query in queries.items():
        with pytest.raises(logflume.QueryError, match=message):
            query()


def test_a_threshold_is_required_where_nothing_was_measured(tmp_path: Path) -> None:
    """Without measured correctness, `solved` is required; where it was measured, that counts."""
    unmeasured = [Completion(0, 0, i, float(i), None, str(i)) for i in range(4)]
    measured = [Completion(1, 1, i, float(i), i == 0, str(i)) for i in range(4)]
    run = logflume.open_run(write_attempts(tmp_path, [{0: [*unmeasured, *measured]}]))
    queries: list[Callable[[], object]] = [lambda: run.prompts(), lambda: run.pass_at(1)]
    queries.append(lambda: run.majority_at(1))
    for query in queries:
        with pytest.raises(
            logflume.QueryError, match=r"4 of 8 .* `solved` \(`--solved`\).* 0 to 3"
        ):
            query()
    assert [0.5, 0.25] == run.prompts(solved=2.0)["solve_rate"].to_pylist()
    assert [None] * 4 == run.prompt(ID(0))["solved"].to_pylist()
    assert [None, 0.25] == run.groups()["solve_rate"].to_pylist()
    assert [0.5] == run.pass_at(1, solved=1.0, by=())["value"].to_pylist()


def test_a_run_without_prompt_ids(tmp_path: Path) -> None:
    """Without ids, prompts are distinguished by their text, or by the question without one."""
    folder = start(tmp_path).folder
    for step, prompt in ((1, "one"), (1, "two"), (2, "one"), (2, None)):
        for index in range(2):
            logflume.get_model_logger().info(
                "model_output", step=step, prompt=prompt, question="q", group=0, index=index,
                model_output="x", **{"quality/correct": True},
            )  # fmt: skip
    logflume.get_model_logger().info("model_output", step=3, **{"quality/correct": True})
    logflume.shutdown()
    run = logflume.open_run(folder)
    assert [(hash_text(text), n) for text, n in (("one", 2), ("two", 1), ("q", 1))] == [
        (row["prompt_id"], row["visits"])
        for row in run.prompts(order=["-visits", "first_step"]).to_pylist()
    ]
    assert ["q", "q", "q"] == run.prompts()["question"].to_pylist()
    assert [1, 1, 2, 2] == run.prompt(hash_text("one"))["step"].to_pylist()
    assert 5 == len(run.groups()) == run.pass_at(1, by=())["groups"].to_pylist()[0]


def test_groups_that_were_not_recorded_completely(tmp_path: Path) -> None:
    """Groups of which a policy kept a choice are left out of estimates, and counted."""
    folder = start(tmp_path).folder
    for step, logged in ((1, 2), (2, 4)):
        log_completions(visit(step, step, [0, 1, 1, 1][:logged]))
        logflume.get_metrics_logger().info(
            "generation", step=step, mode="train", generation=step, rows=4
        )
    logflume.shutdown()
    run = logflume.open_run(folder)
    assert [True, False] == run.groups()["partial"].to_pylist()
    assert [(ID(1), 1), (ID(2), 0)] == [
        (row["prompt_id"], row["partial"]) for row in run.prompts().to_pylist()
    ]
    (row,) = run.pass_at(2, by=()).to_pylist()
    assert (1.0, 1, 1) == (row["value"], row["groups"], row["skipped"])
    assert [(0, 1), (1, 0)] == [(r["groups"], r["skipped"]) for r in run.signal().to_pylist()]
    alone = logflume.open_run(folder)
    with pytest.raises(logflume.QueryError, match="no group was recorded with all its completions"):
        alone.pass_at(2, steps=1)


def test_a_group_that_is_split_over_ranks(tmp_path: Path) -> None:
    """The completions of a group on several ranks are one visit."""
    whole = visit(0, 1, [1, 0, 0, 1])
    run = logflume.open_run(write_attempts(tmp_path, [{0: whole[:2], 1: whole[2:]}]))
    (group,) = run.groups().to_pylist()
    assert (4, 2, True, 0.5) == tuple(
        group[name] for name in ("completions", "solved", "signal", "reward_mean")
    )
    assert [0, 0, 0, 0] == run.prompt(ID(0))["visit"].to_pylist()
    assert [0, 1, 2, 3] == run.prompt(ID(0))["index"].to_pylist()


def test_several_runs(folder: Path, tmp_path: Path) -> None:
    """The same prompt in two runs is two prompts, each with its run."""
    shutil.copytree(folder, tmp_path / "a")
    shutil.copytree(folder, tmp_path / "b")
    runs = logflume.open_runs([tmp_path / "a", tmp_path / "b"])
    assert 10 == len(runs.prompts(mode="train"))
    assert 2 == len(set(runs.pass_at(1, by=(), mode="train")["run"].to_pylist()))
    expected = logflume.open_run(folder).pass_at(2)["value"].to_pylist()
    assert expected == runs.pass_at(2)["value"].to_pylist()[: len(expected)]


def log_answers(folder: Path, *texts: str, **fields: Any) -> Run:
    """Log completions of a question whose true answer is 4, as one group."""
    logflume.initialize(dir=folder, run="answers")
    for index, text in enumerate(texts):
        logflume.get_model_logger().info(
            "model_output",
            step=1,
            generation=1,
            group=0,
            index=index,
            question="2 + 2?",
            **{"model_output": text, "true_answer": "4", "rewards/total": 2.0 * ("4" in text)},
            **fields,
        )
    logflume.shutdown()
    return logflume.open_run(folder / "answers")


def test_answers_in_no_known_form(tmp_path: Path) -> None:
    """Whether plain texts are right is unknown, so the total reward decides."""
    run = log_answers(tmp_path, "It is 4", "It is 5")
    with pytest.raises(logflume.QueryError, match=r"2 of 2 .* `solved`"):
        run.prompts()
    assert [0.5] == run.prompts(solved=2.0)["solve_rate"].to_pylist()


def test_answers_in_known_forms(tmp_path: Path) -> None:
    """Where others have an answer, a text without one isn't right, unless its reward decides."""
    run = log_answers(tmp_path, "\\boxed{4}", "2 + 2 = 4\n#### 4", "<answer>5</answer>", "It is 4")
    assert [0.5] == run.prompts()["solve_rate"].to_pylist()
    assert [0.75] == run.prompts(solved=2.0)["solve_rate"].to_pylist()


def test_a_threshold_without_effect(tmp_path: Path) -> None:
    """Where correctness is known, `solved` has no effect: a warning says so, in Python and not."""
    run = log_answers(tmp_path, "It is 4", "It is 5", **{"quality/correct": True})
    with pytest.warns(UserWarning, match=r"`solved` .* has no effect: quality/correct decides"):
        assert [1.0] == run.prompts(solved=2.0)["solve_rate"].to_pylist()
    done = run_command(tmp_path, "prompts", str(run.folder), "--solved", "2")
    assert 0 == done.returncode
    assert done.stderr.startswith("`solved` (`--solved`) has no effect")
