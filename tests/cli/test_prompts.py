"""The commands `prompts` and `prompt`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import logflume
from tests.cli.commands import check_error, check_output, run
from tests.query.rollout_runs import Completion, log_completions, write_attempts
from tests.query.training_run import start


def words(line: str) -> str:
    return " ".join(line.split())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run in which prompt 0 is forgotten, and the others are solved ever better."""
    here = tmp_path_factory.mktemp("here")
    completions = [
        Completion(prompt, prompt, index, 1.0, index < solved, "4" * index, step)
        for step, solved in ((1, 1), (123_456, 3))
        for prompt in range(4)
        for index in range(4)
        if prompt or step == 1
    ]
    forgotten = [Completion(0, 0, i, 0.0, False, "long " * 40, 123_456) for i in range(4)]
    write_attempts(here / "logs", [{0: [*completions, *forgotten]}])
    return here


def test_prompts(folder: Path) -> None:
    """`prompts` prints one line for each prompt that fits 80 columns, the hardest first."""
    lines = check_output(folder, "prompts").splitlines()
    assert "prompt visits rate change best latest question" == words(lines[1])
    assert "0000000000000000 2 0.12 forgotten 0.25 0 question 0" == words(lines[3])
    assert "0000000000000001 2 0.5 always 0.75 0.75 question 1" == words(lines[4])
    assert max(map(len, lines)) <= 80


def test_changes(folder: Path) -> None:
    """`prompts --between` shows what changed, and `--change` selects one change."""
    lines = check_output(folder, "prompts", "--between", "1:200000").splitlines()
    assert "0000000000000000 2 0.12 forgotten 0.25 0 question 0" == words(lines[3])
    assert max(map(len, lines)) <= 80
    options = ["--between", "1:200000", "--change", "always", "--order", "-latest", "--json"]
    rows = json.loads(check_output(folder, "prompts", "latest", *options))
    assert [1, 2, 3] == [int(row["prompt_id"]) for row in rows]


def test_changes_in_the_whole_run(folder: Path) -> None:
    """`prompts --change` without two steps selects by all visits, as the page does."""
    lines = check_output(folder, "prompts", "--change", "forgotten").splitlines()
    assert "0000000000000000 2 0.12 forgotten 0.25 0 question 0" == words(lines[3])
    assert ["", ""] == [lines[0], *lines[4:]]


def test_modes(tmp_path: Path) -> None:
    """`prompts` lists training unless `--mode` or the run says otherwise; both modes are apart."""

    def one(step: int, mode: str, solved: bool) -> Completion:
        return Completion(0, 0, 0, 1.0, solved, "4", step, mode)

    evaluations = [one(1, "eval", True), one(2, "eval", False)]
    write_attempts(tmp_path / "logs", [{0: [one(1, "train", True), *evaluations]}])
    assert "0000000000000000 1 1 always 1 1 question 0" == words(
        check_output(tmp_path, "prompts").splitlines()[3]
    )
    lines = check_output(tmp_path, "prompts", "--mode", "both").splitlines()
    assert [
        "prompt mode rate change best latest question",
        "0000000000000000 eval 0.5 forgotten 1 0 question 0",
        "0000000000000000 train 1 always 1 1 question 0",
    ] == [words(lines[row]) for row in (1, 3, 4)]
    lines = check_output(tmp_path, "prompt", "latest", "0000").splitlines()
    assert ["0 1 train 0 yes 1 4", "0 1 eval 0 yes 1 4", "1 2 eval 0 no 1 4"] == [
        words(line) for line in lines[5:8]
    ]
    write_attempts(tmp_path / "only", [{0: evaluations}])
    done = run(tmp_path, "prompts", str(tmp_path / "only" / "latest"))
    assert "0000000000000000 2 0.5 forgotten 1 0 question 0" in words(done.stdout)
    assert "The run has only evaluations" in done.stderr


def test_json(folder: Path) -> None:
    """With `--json` each row has all columns of the method."""
    opened = logflume.open_run(folder / "logs" / "latest")
    rows = json.loads(check_output(folder, "prompts", "latest", "--json", "--order", "prompt_id"))
    assert opened.prompts(order="prompt_id").to_pylist() == rows
    rows = json.loads(check_output(folder, "prompt", "latest", f"{2:016x}", "--json"))
    expected = opened.prompt(f"{2:016x}")
    assert expected.column_names == list(rows[0])
    assert expected["model_output"].to_pylist() == [row["model_output"] for row in rows]


def test_prompt(folder: Path) -> None:
    """`prompt` prints the question, and one line for each completion; in a pipe, all of it."""
    lines = check_output(folder, "prompt", "latest", f"{0:016x}").splitlines()
    assert "question 0" == lines[0]
    assert "visit step mode index solved reward answer" == words(lines[3])
    assert "0 1 train 0 yes 1" == words(lines[5])
    assert ["1", "123456", "train", "3", "no", "0", "long"] == lines[12].split()[:7]
    answers = logflume.open_run(folder / "logs" / "latest").prompt(f"{0:016x}")["answer"]
    text = max((" ".join(answer.split()) for answer in answers.to_pylist()), key=len)
    assert len(text) > 100
    assert lines[12].endswith(text)


def test_limits_are_reported(folder: Path, tmp_path: Path) -> None:
    """What isn't listed, and visits that were not recorded completely, are reported."""
    done = run(folder, "prompts", "--limit", "2")
    assert "More than 2 prompts match; --limit shows more.\n" == done.stderr
    assert "No prompts match.\n" == run(folder, "prompts", "--min-visits", "9").stderr
    start(tmp_path / "logs")
    log_completions([Completion(0, 0, 0, 1.0, True)])
    logflume.get_metrics_logger().info("generation", step=1, mode="train", generation=1, rows=4)
    logflume.shutdown()
    done = run(tmp_path, "prompts")
    assert "1 of 1 visits were not recorded completely" in done.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["prompts", "latest", "--between", "5"], "--between 5: expected two steps (100:400)"),
        (["prompts", "latest", "--order", "rat"], "--order rat: prompts have no such column"),
        (["prompts", "latest", "--between", "9:5"], "--between 9:5: the first step must be"),
        (["prompts", "latest", "--step", "x"], "--step x"),
        (["prompt", "latest", "none"], "prompt 'none': no completion has this prompt"),
    ],
)
def test_errors(folder: Path, options: list[str], message: str) -> None:
    """Errors name the option."""
    assert message in check_error(folder, *options)


def test_shares_that_are_nearly_none_or_all(tmp_path: Path) -> None:
    """One solved completion of 300 is not none, and 299 are not all."""
    completions = [
        Completion(prompt, prompt, index, 1.0, index < solved, "4", 1)
        for prompt, solved in enumerate((0, 1, 299, 300))
        for index in range(300)
    ]
    write_attempts(tmp_path / "logs", [{0: completions}])
    lines = check_output(tmp_path, "prompts").splitlines()
    assert ["0", "<0.01", ">0.99", "1"] == [line.split()[2] for line in lines[3:7]]
    # The numbers of a column end at the same place.
    assert 1 == len({line.index(line.split()[2]) + len(line.split()[2]) for line in lines[4:6]})
