"""The commands that query runs: runs, show, sql, outputs, compare, export."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import termios
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import duckdb
import pandas as pd
import pytest

import logflume
from tests.cli.commands import check_error, check_output, run
from tests.event_helpers import JOURNAL
from tests.query.independent import journaled
from tests.query.training_run import write_run


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `logs`, which contains two runs."""
    folder = tmp_path_factory.mktemp("here")
    write_run(folder / "logs", range(1, 11), run="first")
    write_run(folder / "logs", range(1, 6), range(4, 9), run="second", scale=2.0)
    return folder


def test_runs(here: Path) -> None:
    """`runs` lists every run once, with its status, last step and last reward."""
    lines = check_output(here, "runs").splitlines()
    assert ["run", "status", "started", "took", "step", "reward", "size"] == lines[1].split()
    assert [["first", "finished"], ["second", "finished"]] == [x.split()[:2] for x in lines[3:5]]
    listed = json.loads(check_output(here, "runs", "logs", "--json"))
    assert [("first", 10, 10.0, 0), ("second", 8, 24.0, 1)] == [
        (r["run"], r["last_step"], r["last_reward"], r["attempt"]) for r in listed
    ]
    size = sum(p.stat().st_size for p in (here / "logs" / "first").rglob("*") if p.is_file())
    assert size == listed[0]["size_bytes"]


def test_show(here: Path) -> None:
    """`show` reports the state of a run, by default of the latest one."""
    text = check_output(here, "show")
    assert "second   (logs/latest)" in text
    assert "finished" in text
    assert "8 training" in text
    (line,) = (line for line in text.splitlines() if line.split()[:1] == ["loss"])
    assert ["▁"] == [c for c in line if c in "▁▂▃▄▅▆▇█"][-1:]
    result = json.loads(check_output(here, "show", "first", "--json"))
    losses = [e["loss"] for e in journaled(here / "logs" / "first", "training")]
    assert losses == result["metrics"]["loss"]["values"]
    assert ("first", "finished") == (result["info"]["run"], result["info"]["status"])


def test_sql(here: Path) -> None:
    """`sql` prints a table, or writes CSV, JSON or Parquet to standard output or a file."""
    query = "select step, loss from training where step < 3 order by step"
    assert ["step", "loss"] == check_output(here, "sql", "first", query).split()[:2]
    assert "step,loss\n1,1\n2,0.5\n" == check_output(
        here, "sql", "first", query, "-f", "csv"
    ).replace('"', "")
    rows = [{"step": 1, "loss": 1.0}, {"step": 2, "loss": 0.5}]
    assert rows == json.loads(check_output(here, "sql", "first", query, "--format", "json"))
    done = run(here, "sql", "first", query, "-f", "parquet", "-o", "x.parquet")
    assert (0, "", "wrote 2 rows to x.parquet\n") == (done.returncode, done.stdout, done.stderr)
    assert [(1, 1.0), (2, 0.5)] == duckdb.read_parquet(f"{here}/x.parquet").fetchall()


def test_sql_over_runs(here: Path) -> None:
    """A pattern queries several runs; of a continued one, the latest attempts or all of them."""
    query = "select run, count(*) n from training group by run order by run"
    result = json.loads(check_output(here, "sql", "logs/*", query, "-f", "json"))
    assert [{"run": "first", "n": 10}, {"run": "second", "n": 8}] == result
    result = json.loads(check_output(here, "sql", "second", query, "-f", "json", "--all-attempts"))
    assert [{"run": "second", "n": 10}] == result


def test_outputs(here: Path) -> None:
    """`outputs` shows completions verbatim with their rewards, the worst first."""
    text = check_output(here, "outputs", "first", "--step", "4", "--sort", "reward", "--worst", "2")
    assert ["of step 4: 1", "of step 4: 2"] == [
        line.strip("│ ") for line in text.splitlines() if "of step" in line
    ]
    assert "total 0.5" in text
    result = json.loads(
        check_output(here, "outputs", "first", "--step", "8:", "--best", "3", "--json")
    )
    assert [10.5, 9.5, 8.5] == [row["rewards/total"] for row in result]
    assert 5 == len(json.loads(check_output(here, "outputs", "first", "--wrong", "--json")))


def test_control_characters_are_escaped(tmp_path: Path) -> None:
    """Control characters in a completion never reach the terminal."""

    logflume.initialize(dir=tmp_path / "logs", run="r")
    logflume.log_model_output(
        "\x1b[2Jwhat?", model_output="a\x1b]0;title\x07[red]b[/red]\rc", step=1
    )
    logflume.shutdown()
    for command in ("outputs", "tail", "show"):
        text = check_output(tmp_path, command, "latest")
        assert not {"\x1b", "\x07", "\r"} & set(text)
    assert "a\\x1b]0;title\\x07[red]b[/red]\\rc" in check_output(tmp_path, "outputs")
    assert "[red]b[/red]" in check_output(
        tmp_path, "sql", "latest", "select model_output from model_output"
    )


def test_compare(here: Path) -> None:
    """`compare` shows different settings, and the last values of runs side by side."""
    text = check_output(here, "compare", "first", "second")
    heads = [line.split()[:3] for line in text.splitlines()[:2]]
    assert [["A", "first", "finished,"], ["B", "second", "finished,"]] == heads
    (line,) = (line for line in text.splitlines() if line.split()[:1] == ["reward"])
    numbers = [word for word in line.split() if word.strip("*").isdecimal()]
    assert ["10", "24*", "14"] == numbers[:3]
    result = json.loads(check_output(here, "compare", "first", "second", "--json"))
    assert [10, 8] == result["settings"]["last_step"]


def test_export(here: Path) -> None:
    """`export` writes CSV, JSON and Parquet files that other tools can read."""
    for what, file in (("wide", "w.csv"), ("rewards", "r.parquet"), ("training", "t.json")):
        assert 0 == run(here, "export", "first", what, file).returncode
    assert [1 / step for step in range(1, 11)] == (
        pd.read_csv(here / "w.csv").query("mode == 'train'")["loss"].tolist()
    )
    assert 120 == len(pd.read_parquet(here / "r.parquet"))
    assert 10 == len(json.loads((here / "t.json").read_text()))


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["show", "third"], "third: there is no run here, nor in logs/. Existing runs: second, "),
        (["show", "secnd"], "Existing runs: second, "),
        (["sql", "first", "selec"], "syntax error"),
        (["sql", "x*", "select 1"], "no runs"),
        (["outputs", "first", "--step", "one"], "--step one: expected a step (400) or a range"),
        (["outputs", "first", "--worst", "1", "--sort", "x"], "no field 'rewards/x'"),
        (["outputs", "first", "--sort", "x"], "--sort x: it needs --worst or --best"),
        (["outputs", "first", "--worst", "1", "--best", "1"], "--worst and --best can't be"),
        (
            ["export", "first", "trainin", "x.csv"],
            "or an event type here; did you mean 'training'?",
        ),
        (["export", "first", "wide", "x.xlsx"], "must end in one of .csv, .json, .parquet"),
        (["export", "first", "wide", "no/x.csv"], "no/x.csv can't be written"),
        (["doctor", "--fix"], "--fix changes a run: name it"),
        (["runs", "nothing"], "there are no runs in this folder. Give the folder that"),
        (["tail", "first", "--where", "step >"], "syntax error"),
        (
            ["tail", "first", "--where", "los > 1"],
            "--where 'los > 1': no event here has the field 'los'",
        ),
    ],
)
def test_wrong_arguments(here: Path, arguments: list[str], reason: str) -> None:
    """Wrong arguments give one clear message on standard error, exit status 1 and no output."""
    assert reason in check_error(here, *arguments)


def test_no_runs_at_all(tmp_path: Path) -> None:
    """If there are no runs at all, the error explains how to create one."""
    assert "Try `logflume demo`" in check_error(tmp_path, "show")


def test_a_damaged_run_among_others(tmp_path: Path) -> None:
    """`runs` lists all runs even if one is damaged, and reports the damage."""
    for name in ("good", "bad"):
        folder = write_run(tmp_path / "logs", range(1, 4), run=name)
    journal = folder / "events.jsonl"
    before, after = journal.read_bytes().rsplit(b'"event":"training",', 1)
    journal.write_bytes(before + b'"event":"training",}' + after)
    done = run(tmp_path, "runs", "--json")
    assert {"good": "finished", "bad": "damaged"} == {
        r["run"]: r["status"] for r in json.loads(done.stdout)
    }
    assert "events.jsonl, line" in done.stderr


def test_runs_in_another_folder(here: Path) -> None:
    """Runs in another folder are listed by names that the other commands accept."""
    (here / "logs").rename(here / "other")
    try:
        name = check_output(here, "runs", "other").splitlines()[3].split()[0]
        assert "finished" in check_output(here, "show", name)
        assert "'other/*'" in check_error(here, "sql", "other", "select 1")
    finally:
        (here / "other").rename(here / "logs")


def test_ranks_in_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For several ranks `show` reports the mean of each step, in the order of steps."""
    for rank in (0, 1):
        monkeypatch.setenv("RANK", str(rank))
        logflume.initialize(dir=tmp_path / "logs", run="r")
        for step in (1, 2, 3):
            logflume.log_reward_metrics(step, {"a": [float(step + rank)] * 2})
        logflume.shutdown()
    result = json.loads(check_output(tmp_path, "show", "r", "--json"))
    assert [1.5, 2.5, 3.5] == result["metrics"]["rewards/a/mean"]["values"]


def test_a_narrow_terminal(here: Path) -> None:
    """Rows too wide for the terminal are shown with one value per line, without empty columns."""
    terminal, stream = pty.openpty()
    termios.tcsetwinsize(stream, (24, 60))
    command = [sys.executable, "-m", "logflume", "sql", "first"]
    command += ["select * from training order by step limit 1"]
    process = subprocess.Popen(command, cwd=here, stdin=stream, stdout=stream)
    os.close(stream)
    text = ""
    with suppress(OSError), os.fdopen(terminal) as lines_of_terminal:  # Linux ends it by an error
        for line in lines_of_terminal:
            text += line
    assert 0 == process.wait()
    lines = [line.split() for line in text.splitlines()]
    assert ["loss", "1"] in lines
    assert "learning_rate" not in text


def test_results_without_rows(here: Path) -> None:
    """For an empty result, a message names its columns."""
    assert "no rows (step)\n" == check_output(
        here, "sql", "first", "select step from training where false"
    )


def test_a_full_disk(here: Path) -> None:
    """A full disk is reported in one line."""
    for command in ("sql first 'from training'", "sql first 'from training' -f csv", "tail first"):
        done = subprocess.run(
            f"{sys.executable} -m logflume {command} > /dev/full",
            shell=True,
            cwd=here,
            capture_output=True,
            text=True,
        )
        assert 1 == done.returncode
        assert "No space left on device" in done.stderr
        assert 1 == len(done.stderr.splitlines())


def test_the_version(tmp_path: Path) -> None:
    """`--version` prints the version of logflume."""
    assert f"logflume {logflume.__version__}\n" == check_output(tmp_path, "--version")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["prompts", "--change", "forgoten"], "'forgoten' is not one of 'newly_solved', "),
        (["outputs", "--mode", "trian"], "'trian' is not one of 'train', 'eval'"),
        (["sql", "latest", "-f", "tabel"], "'tabel' is not one of 'table', 'csv', 'json'"),
        (["import", ".", "--format", "xlsx"], "'xlsx' is not one of 'trainer_state', "),
        (["diagnose", "--fail-on", "fatal"], "'fatal' is not one of 'info', 'warning', 'cri"),
    ],
)
def test_values_that_an_option_does_not_have(here: Path, arguments: list[str], reason: str) -> None:
    """The message says what the option accepts, without words of the library that checks it."""
    done = run(here, *arguments)
    lines = [line.strip("│ ") for line in done.stderr.splitlines()]
    assert 2 == done.returncode
    assert f": {reason}" in " ".join(lines)
    assert "Value error" not in done.stderr


def test_the_case_of_values_does_not_matter(here: Path) -> None:
    """A value in capitals means the same."""
    for capital, small in (("CSV", "csv"), ("Table", "table")):
        query = ["sql", "first", "select 1 as one", "--format"]
        assert check_output(here, *query, small) == check_output(here, *query, capital)
    assert run(here, "diagnose", "first", "--fail-on", "Critical").returncode in (0, 1)
    assert run(here, "outputs", "first", "--mode", "EVAL").returncode == 0


def test_outputs_sorted_by_another_number(here: Path) -> None:
    """Each number of a completion can be sorted by, and one that none has is named."""
    options = ["--sort", "index", "--best", "1", "--json"]
    (best,) = json.loads(check_output(here, "outputs", "first", *options))
    assert 1 == best["index"]
    done = run(here, "outputs", "first", "--sort", "advantage", "--best", "1")
    assert "no completion here has a value of 'advantage'; available: rewards/" in done.stderr


def test_tables_in_a_pipe_are_whole(tmp_path: Path) -> None:
    """Without a terminal, a table has every column, and no name is shortened."""
    name = "a/metric/" + "with/a/very/long/name/" * 8 + "of/its/own"
    logflume.initialize(JOURNAL, dir=tmp_path / "logs", run="r")
    for step in (1, 2):
        logflume.log_training_progress(step, {name: 1.5 * step, "loss": 2.0})
    logflume.shutdown()

    shown = check_output(tmp_path, "show", "r", "--metric", "*name*").splitlines()
    heading, row = next(pair for pair in pairwise(shown) if pair[0].startswith("metric "))
    assert ["last", "best", "at", "step", "first", "min", "max"] == heading.split()[1:]
    assert (name, ["3", "1.5", "1.5", "3"]) == (row.split()[0], row.split()[2:])
    compared = check_output(tmp_path, "compare", "r", "r", "--metric", "*name*")
    assert any(line.startswith(f"{name} ") for line in compared.splitlines())
