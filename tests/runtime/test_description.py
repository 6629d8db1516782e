"""What a run is, how it ended, and the lines that say so in the user's own program."""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import logflume
from logflume.exceptions import ConfigError
from logflume.logger.channels import CHANNELS
from logflume.terminal.compact_numbers import compact_duration
from tests.event_helpers import JOURNAL, read

CONSOLE: dict[str, Any] = {
    "root": {"sinks": ["console", "jsonl"]},
    "sinks": {"console": None, "jsonl": {"path": "{dir}/{run}/events.jsonl"}},
}


@dataclass
class Settings:
    lr: float = 1e-5
    optimizer: dict[str, Any] = field(default_factory=lambda: {"name": "adam", "betas": [0.9, 1]})


@pytest.fixture(autouse=True)
def ended() -> Iterator[None]:
    yield
    logflume.shutdown()


def state_of(folder: Path) -> Any:
    return json.loads((folder / "r" / "run.json").read_bytes())


def started_of(folder: Path) -> Any:
    return read(folder / "r" / "events.jsonl")[0]


@pytest.mark.parametrize(
    "given", [Settings(), argparse.Namespace(**vars(Settings())), vars(Settings())]
)
def test_hyperparameters_tags_and_notes(given: Any, tmp_path: Path) -> None:
    """They are in `run.json` and in `run_started`, nested ones with joined names."""
    logflume.initialize(
        JOURNAL, dir=tmp_path, run="r", hyperparameters=given, tags=["a", "b"], notes="First."
    )
    logflume.shutdown()

    state, started = state_of(tmp_path), started_of(tmp_path)
    expected = {"lr": 1e-5, "optimizer/name": "adam", "optimizer/betas": "[0.9,1]"}
    assert (expected, ["a", "b"], "First.") == (
        state["hyperparameters"],
        state["tags"],
        state["notes"],
    )
    assert (1e-5, ["a", "b"], "First.") == (
        started["hyperparameters/lr"],
        started["tags"],
        started["notes"],
    )


def test_a_continued_run_keeps_its_description(tmp_path: Path) -> None:
    """What a later attempt doesn't give again stays; what it gives is added, or wins."""
    first: dict[str, Any] = {"hyperparameters": {"lr": 1, "beta": 2}, "tags": ["a"], "notes": "n"}
    for given in (first, {"hyperparameters": {"lr": 3}, "tags": ["b"]}):
        logflume.initialize(JOURNAL, dir=tmp_path, run="r", **given)
        logflume.shutdown()

    state = state_of(tmp_path)
    assert ({"lr": 3, "beta": 2}, ["a", "b"], "n") == (
        state["hyperparameters"],
        state["tags"],
        state["notes"],
    )


def test_secrets_of_a_description(tmp_path: Path) -> None:
    """Secrets are replaced wherever they are stored."""
    logflume.initialize(
        JOURNAL,
        dir=tmp_path,
        run="r",
        hyperparameters={"hub": {"password": "hunter2hunter2"}},
        tags=["password=hunter2hunter2"],
        notes="password=hunter2hunter2",
    )
    logflume.shutdown()

    for path in (tmp_path / "r").rglob("*"):
        assert path.is_dir() or b"hunter2" not in path.read_bytes()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"hyperparameters": 3}, "hyperparameters: expected a mapping, found an object of .* int"),
        ({"hyperparameters": {str(n): n for n in range(3_000)}}, "3,000 values"),
        ({"tags": "baseline"}, "tags: expected a list of strings, found 'baseline'"),
        ({"tags": [3]}, "tags: expected a list of strings"),
        ({"notes": 3}, "notes: expected a string, found 3"),
    ],
)
def test_wrong_arguments(given: dict[str, Any], message: str, tmp_path: Path) -> None:
    """A wrong argument is an error that says what to give instead, and nothing is started."""
    with pytest.raises(ConfigError, match=message):
        logflume.initialize(JOURNAL, dir=tmp_path, **given)
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("given", [{"lr": 1e-5}, {"learning_rate": 1, "batch_size": 8}])
def test_hyperparameters_as_the_configuration(given: dict[str, Any]) -> None:
    """A dict of hyperparameters in the place of the configuration is an error with the remedy."""
    with pytest.raises(ConfigError, match=r"initialize\(hyperparameters=\{'l[^}]*: …\}\)"):
        logflume.initialize(given)


@pytest.mark.parametrize("status", ["finished", "failed", "interrupted", "terminated"])
def test_the_status_of_a_run(status: str, tmp_path: Path) -> None:
    """`shutdown` takes how the run ended."""
    logflume.initialize(JOURNAL, dir=tmp_path, run="r")
    logflume.shutdown(status=status)

    assert status == state_of(tmp_path)["status"]
    assert [status] == [
        event["status"]
        for event in read(tmp_path / "r" / "events.jsonl")
        if event["event"] == "run_finished"
    ]


def test_a_wrong_status(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A status that there isn't ends the run like none, and one line names the right ones."""
    logflume.initialize(JOURNAL, dir=tmp_path, run="r")
    assert logflume.shutdown(status="done")

    assert "finished" == state_of(tmp_path)["status"]
    assert (
        "logflume: shutdown(status='done'): there is no such status, so it isn't recorded. Give "
        "finished, failed, interrupted or terminated\n"
    ) == capsys.readouterr().err


def test_the_start_and_end_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A program with a console shows where its run is, what is recorded, and how it ended."""
    logflume.initialize(CONSOLE, dir=tmp_path, run="r")
    logflume.get_logger().info("Working")
    logflume.shutdown(status="failed")

    *start, message, end, following = capsys.readouterr().err.splitlines()
    assert f"logflume: run r, in {tmp_path}/r" == start[0]
    assert "logflume: records journal; times are " == start[1][:37]
    assert f"logflume show {tmp_path}/r`" in start[2]
    assert "Working" in message
    assert re.fullmatch(r"logflume: failed after .*: 4 events written, none dropped", end)
    assert f"logflume show {tmp_path}/r`" in following


class Table:
    """A sink with an output of its own."""

    title = "table"

    def write(self, events: Any) -> None:
        """Do nothing."""

    def flush(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class Odd(Table):
    title = None  # type: ignore[assignment]  # as a mistaken sink may have it


def test_what_is_recorded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The start line has the outputs by the titles of their sinks, or by the names of these."""
    sinks = {
        **CONSOLE["sinks"],
        "csv": {"path": "{dir}/{run}/outputs.csv"},
        "log": {"type": "console", "path": "{dir}/{run}/run.log"},
        "named": {"type": "tests.runtime.test_description:Table"},
        "mine": Table(),
        "odd": Odd(),
    }
    logflume.initialize({"sinks": sinks, "root": {"sinks": [*sinks]}}, dir=tmp_path, run="r")
    logflume.shutdown()

    _, text = capsys.readouterr().err.split("logflume: records ")
    assert text.startswith("journal, CSV, text log, table, odd; times are ")


@pytest.mark.parametrize("worker", ["thread", "process"])
def test_one_duration(worker: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The end line has the duration of `run_finished`; the run begins with `run_started`."""
    run = logflume.initialize({**CONSOLE, "worker": worker}, dir=tmp_path, run="r")
    logflume.shutdown()

    started, finished = (
        e for e in read(run.folder / "events.jsonl") if e["event"].startswith("run_")
    )
    assert state_of(tmp_path)["started"] == started["timestamp"]
    took = f"logflume: finished after {compact_duration(finished['duration_s'])}: "
    assert took in capsys.readouterr().err


@pytest.mark.parametrize("worker", ["thread", "process"])
def test_the_end_line_names_alerts(
    worker: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Signals that were raised are named at the end, each once, with the command that explains."""
    logflume.initialize({**CONSOLE, "worker": worker}, dir=tmp_path, run="r")
    for signal in ("kl_runaway", "truncation", "kl_runaway"):
        logflume.get_training_logger().warning("alert", signal=signal, message="m")
    logflume.shutdown()

    *_, alerts, following = capsys.readouterr().err.splitlines()
    assert alerts.startswith("logflume: alerts: kl_runaway, truncation; explained by `")
    assert alerts.endswith(f"logflume diagnose {tmp_path}/r`")
    assert "logflume: next: " in following


@pytest.mark.parametrize(
    "changes",
    [
        {"root": {"sinks": ["jsonl"]}},
        {"root": {"level": "WARNING", "sinks": ["console", "jsonl"]}},
        {"sinks": {**CONSOLE["sinks"], "console": {"level": "WARNING"}}},
    ],
)
def test_no_lines_without_a_console(
    changes: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who doesn't show information on a console isn't shown these lines."""
    logflume.initialize({**CONSOLE, **changes}, dir=tmp_path, run="r")
    logflume.shutdown()

    assert "" == capsys.readouterr().err


@pytest.mark.parametrize("total", [40, "40", 40.0])
def test_the_total_number_of_steps(total: Any, tmp_path: Path) -> None:
    """`set_step` takes it in any form, until the end of the run; what is none changes nothing."""
    logflume.initialize(JOURNAL, dir=tmp_path)
    logflume.set_step(1, total=total)
    for odd in ("many", -1, object(), float("nan"), 10**400):
        logflume.set_step(2, total=odd)  # type: ignore[arg-type]
    assert 40 == CHANNELS.total_steps

    logflume.shutdown()
    assert CHANNELS.total_steps is None


def test_the_time_left_in_a_worker_process(tmp_path: Path) -> None:
    """The console of a worker process knows the number of steps, too."""
    script = f"""
import logflume
logflume.initialize({ {**CONSOLE, "worker": "process"}!r}, dir="runs")
for step in (1, 2, 3):
    logflume.set_step(step, total=40)
    logflume.log_training_progress(step, {{"loss": 0.5}})
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )

    assert ["step  1/40", "step  2/40", "step  3/40"] == re.findall(r"step +\d+/40", done.stderr)


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=n", "-c", "user.email=e@x", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def test_the_state_of_the_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Uncommitted changes, without secrets, and the installed packages are in the run's folder."""
    script = tmp_path / "train.py"
    script.write_text("lr = 1\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "train.py")
    git(tmp_path, "commit", "-qm", "first")
    script.write_text("lr = 2\npassword = 'hunter2hunter2'\n")
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        logflume.initialize(JOURNAL, dir="logs", run="r")
        logflume.shutdown()

    folder = tmp_path / "logs" / "r" / "environment"
    assert {"git.diff", "git-attempt1.diff", "packages.txt", "packages-attempt1.txt"} == {
        path.name for path in folder.iterdir()
    }
    diff = (folder / "git.diff").read_text()
    assert "-lr = 1\n+lr = 2\n" in diff
    assert "hunter2" not in diff
    assert re.search(r"^pytest==\d", (folder / "packages.txt").read_text(), re.MULTILINE)


def test_large_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more than a megabyte of changes the first are kept; the file and an event say so."""
    (tmp_path / "data.txt").write_text("")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "data.txt")
    git(tmp_path, "commit", "-qm", "first")
    (tmp_path / "data.txt").write_text("some line of text\n" * 100_000)
    monkeypatch.chdir(tmp_path)
    run = logflume.initialize(JOURNAL, dir="logs", run="r")
    diff = run.folder / "environment" / "git.diff"
    logflume.shutdown()

    assert diff.read_text().endswith("[cut here: the changes have more than 1,000,000 bytes]\n")
    assert diff.stat().st_size < 1_001_000
    assert ["environment/git.diff"] == [
        event["component"]
        for event in read(run.folder / "events.jsonl")
        if event.get("status") == "limited"
    ]


def test_a_private_key_in_the_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key is found wherever it is in a long diff, also where the text is searched in pieces."""
    (tmp_path / "data.txt").write_text("")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "data.txt")
    git(tmp_path, "commit", "-qm", "first")
    body = "".join(f"MIIEpAIBAAKCAQEA{number:048}\n" for number in range(25))
    key = f"-----BEGIN RSA PRIVATE KEY-----\n{body}-----END RSA PRIVATE KEY-----\n"
    (tmp_path / "data.txt").write_text(("some line of text\n" * 40 + key) * 80)
    monkeypatch.chdir(tmp_path)
    run = logflume.initialize(JOURNAL, dir="logs", run="r")
    logflume.shutdown()

    diff = (run.folder / "environment" / "git.diff").read_text()
    assert "some line of text" in diff
    assert "MIIE" not in diff
