"""`logflume runs`: selecting, sorting, deleting and archiving runs."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

import logflume
from tests.cli.commands import check_error, check_output, run
from tests.event_helpers import JOURNAL

RUNS: dict[str, dict[str, Any]] = {
    "a": {"hyperparameters": {"lr": 1e-5, "model": "small"}, "tags": ["baseline", "x"]},
    "b": {"hyperparameters": {"lr": 1e-4, "model": "small"}, "tags": ["baseline"]},
    "c": {"hyperparameters": {"lr": 1e-6, "model": "large"}, "notes": "Too slow."},
}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    here = tmp_path_factory.mktemp("here")
    for number, (name, given) in enumerate(RUNS.items()):
        logflume.initialize(JOURNAL, dir=here / "logs", run=name, **given)
        logflume.log_training_progress(number, {"reward": number / 10})
        logflume.shutdown(status="failed" if name == "c" else None)
    return here


@pytest.fixture
def here(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "here", symlinks=True))


def listed(here: Path, *options: str) -> list[str]:
    """Return the ids of the runs that a list has, in order."""
    found = json.loads(check_output(here, "runs", "logs", "--json", *options))
    return [one["run"] for one in found]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], "abc"),
        (["--tag", "baseline"], "ab"),
        (["--tag", "baseline", "--tag", "x"], "a"),
        (["--status", "failed"], "c"),
        (["--where", "lr > 5e-6 and model = 'small' and reward > 0.05"], "b"),
        (["--where", "tags like '%baseline%' and status = 'finished'"], "ab"),
        (["--sort", "lr"], "cab"),
        (["--sort", "lr", "--reverse"], "bac"),
        (["--sort", "reward", "--tag", "baseline", "-r"], "ba"),
    ],
)
def test_selecting_and_sorting(options: list[str], expected: str, written: Path) -> None:
    """Runs are selected by tag, status and a condition, and sorted by any column or value."""
    assert list(expected) == listed(written, *options)


def test_the_list(written: Path) -> None:
    """A list shows tags and the hyperparameters that differ; JSON has all of them, and notes."""
    heading, _, *rows = (line.split() for line in check_output(written, "runs").split("\n")[1:6])
    assert {"run", "status", "step", "reward", "tags", "lr", "model"} <= set(heading)
    assert ["a", "finished"] == rows[0][:2]

    last = json.loads(check_output(written, "runs", "--json"))[-1]
    assert ("Too slow.", [], RUNS["c"]["hyperparameters"]) == (
        last["notes"],
        last["tags"],
        last["hyperparameters"],
    )


def test_hyperparameters_of_the_list(tmp_path: Path) -> None:
    """Those of `initialize` come first, and folders and values that aren't set are left out."""
    for number, name in enumerate(("a", "b")):
        logflume.initialize(JOURNAL, dir=tmp_path / "logs", run=name, hyperparameters={"z": number})
        trainer = {"beta": number, "debug": ["None", "[]"][number], "output_dir": name, "seed": 1}
        logflume.get_training_logger().info("run_started", hyperparameters=trainer)
        logflume.shutdown()

    heading = check_output(tmp_path, "runs").splitlines()[1].split()
    assert ["z", "beta"] == heading[-2:]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--tag", "basline"], "--tag 'basline': no run here has it. Did you mean 'baseline'?"),
        (["--status", "done"], "--status 'done': no run here has it"),
        (["--sort", "lrr"], "--sort 'lrr': no run here has it. Did you mean 'lr'?"),
        (["--where", "lrr > 1"], "has the field 'lrr'"),
        (["--where", "lr >"], "--where 'lr >'"),
    ],
)
def test_misspelled_selections(options: list[str], message: str, written: Path) -> None:
    """What no run has is an error that names what there is."""
    assert message in check_error(written, "runs", "logs", *options)


def test_deleting_runs(here: Path) -> None:
    """Runs are deleted with `--yes`, and `latest` leads to the newest one that is left."""
    assert "deleted" in run(here, "runs", "rm", "latest", "b", "--yes").stdout

    assert ["a"] == listed(here)
    assert "a" == str((here / "logs" / "latest").readlink())
    assert {"a", "latest"} == {path.name for path in (here / "logs").iterdir()}


def test_latest_is_the_run_that_started_last(here: Path) -> None:
    """An import that was written later, but started earlier, doesn't become `latest`."""
    source = here / "old.jsonl"
    source.write_text('{"step": 1, "loss": 1.0, "_timestamp": 1.7e9}\n')
    assert 0 == run(here, "import", "old.jsonl").returncode
    check_output(here, "runs", "archive", "latest")
    assert "b" == str((here / "logs" / "latest").readlink())


def test_deleting_requires_consent(here: Path) -> None:
    """Without a terminal, and without `--yes`, nothing is deleted."""
    assert "confirm with --yes" in check_error(here, "runs", "rm", "a")
    assert ["a", "b", "c"] == listed(here)


def test_archiving(here: Path) -> None:
    """An archived run is in a folder of its own, where its path finds it."""
    assert "logs/archive/a" in check_output(here, "runs", "archive", "a")

    assert ["b", "c"] == listed(here)
    assert "a" in check_output(here, "runs", "logs/archive")
    assert "already archived" in check_error(here, "runs", "archive", "logs/archive/a")


def test_a_name_that_the_archive_has(here: Path) -> None:
    """A run never replaces another one in the archive."""
    check_output(here, "runs", "archive", "a")
    shutil.copytree(here / "logs" / "b", here / "logs" / "a")

    assert "has a run of this name" in check_error(here, "runs", "archive", "a")
    assert (here / "logs" / "a" / "events.jsonl").exists()


@pytest.mark.parametrize("command", ["rm", "archive"])
def test_a_run_that_is_written(command: str, tmp_path: Path) -> None:
    """A live run is refused, and goes on."""
    logflume.initialize(JOURNAL, dir=tmp_path / "logs", run="live")
    message = check_error(tmp_path, "runs", command, "live", *(["--yes"] * (command == "rm")))
    assert "a process is writing this run" in message
    assert logflume.shutdown()


@pytest.mark.parametrize("command", [["rm", "--yes"], ["archive"]])
def test_links(command: list[str], here: Path, tmp_path: Path) -> None:
    """A link to a folder elsewhere is refused, and one within a run leads nobody outside."""
    outside = tmp_path / "outside"
    shutil.copytree(here / "logs" / "a", outside)
    (here / "logs" / "link").symlink_to(outside)
    assert "a link to another folder" in check_error(here, "runs", *command, "logs/link")

    (here / "logs" / "b" / "elsewhere").symlink_to(outside)
    check = run(here, "runs", *command, "b")
    assert 0 == check.returncode
    assert (outside / "events.jsonl").exists()


def test_an_archive_that_is_a_link(here: Path, tmp_path: Path) -> None:
    """Runs are not moved through a link."""
    (here / "logs" / "archive").symlink_to(tmp_path, target_is_directory=True)
    assert "a link, which is not followed" in check_error(here, "runs", "archive", "a")
    assert (here / "logs" / "a" / "events.jsonl").exists()


@pytest.mark.parametrize("inner", ["events.jsonl", "events-rank3.jsonl"])
def test_a_folder_of_runs(inner: str, here: Path) -> None:
    """A folder that contains a run of any rank is not deleted, although it looks like a run."""
    journal, folder = here / "logs" / "a" / "events.jsonl", here / "outer"
    (folder / "inner").mkdir(parents=True)
    shutil.copy(journal, folder)
    shutil.copy(journal, folder / "inner" / inner)
    assert "contains other runs" in check_error(here, "runs", "rm", "--yes", "outer")
    assert (folder / "inner" / inner).exists()


def test_the_help(written: Path) -> None:
    """The help names what the group does, and each command has its own."""
    assert {"list", "rm", "archive"} <= set(re.findall(r"\w+", check_output(written, "runs", "-h")))
    assert "--where" in check_output(written, "runs", "list", "--help")
