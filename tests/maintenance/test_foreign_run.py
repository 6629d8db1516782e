"""A run of somebody else: nothing outside of its folder changes, and nothing of it is executed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

import logflume
from logflume.exceptions import RunError
from logflume.maintenance.compact import compact
from logflume.maintenance.doctor import diagnose
from logflume.maintenance.repair import repair
from logflume.maintenance.replay import replay
from tests.maintenance.runs import contents

WRITING: dict[str, Callable[[Path], object]] = {
    "repair": repair,
    "compact": lambda folder: list(compact(folder)),
    "replay": lambda folder: replay(folder, ["csv", "parquet", "tensorboard", "console"]),
}


def refusal(command: Callable[[Path], object], run: Path) -> str:
    """Return why a command has refused; if it has not, all that a message could say."""
    try:
        command(run)
    except RunError as error:
        return str(error)
    return f"{run} a hard link outside of the run's folder"


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """Return a folder of the user's own, next to the run."""
    folder = tmp_path / "victim"
    (folder / "old").mkdir(parents=True)
    (folder / "file").write_text('{"mine": 1}\n{"torn')
    (folder / "part-a0000-000000000000-000000000001.parquet").write_text("mine")
    return folder


def change_config(run: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the configuration that the journal has recorded."""
    for path in run.glob("events*.jsonl"):
        events = [orjson.loads(line) for line in path.read_bytes().splitlines()]
        for event in events:
            if event["event"] == "run_started":
                config = json.loads(event["config"])
                change(config)
                event["config"] = json.dumps(config)
        path.write_bytes(b"".join(orjson.dumps(event) + b"\n" for event in events))


def remove(path: Path) -> None:
    if path.is_dir():
        path.rename(path.parent.parent / f"moved-{path.name}")
    else:
        path.unlink(missing_ok=True)


LINKS = [
    "run.lock",
    "run.json",
    "run.json.tmp",
    "events.jsonl",
    ".events.jsonl.tmp",
    ".events.000001.jsonl.zst.tmp",
    "events.000009.jsonl",
    "training.log",
    ".training.log.replay",
    "outputs.csv",
    "parquet",
    "parquet/reward",
    ".parquet.tmp",
    ".parquet.damaged",
    ".parquet.replay",
    "tensorboard",
]


@pytest.mark.parametrize(("command", "target"), zip(WRITING, ("file", ".", "."), strict=True))
@pytest.mark.parametrize("name", LINKS)
def test_link(name: str, target: str, command: str, run: Path, victim: Path) -> None:
    """Whatever of the run is a link, what it leads to stays as it is."""
    remove(run / name)
    (run / name).symlink_to(victim / target)
    if not (run / "events.jsonl").is_symlink():
        with (run / "events.jsonl").open("ab") as journal:
            journal.write(b'{"torn')
    before = contents(victim)

    assert str(run) in refusal(WRITING[command], run)
    assert before == contents(victim)


@pytest.mark.parametrize("name", ["Run.lock", "Training.LOG", "PARQUET"])
def test_link_whose_name_differs_in_case(name: str, run: Path, victim: Path) -> None:
    """It is refused: a file system may take its name for that of a file of the run."""
    remove(run / name)
    (run / name).symlink_to(victim)

    with pytest.raises(RunError, match=name):
        WRITING["replay"](run)


@pytest.mark.parametrize("name", ["run.lock", "events.jsonl", "training.log", "outputs.csv"])
def test_hard_link(name: str, run: Path, victim: Path) -> None:
    """A file with another name is not written, because the other name would change, too."""
    remove(run / name)
    (run / name).hardlink_to(victim / "file")
    before = contents(victim)

    for command in WRITING.values():
        assert "hard link" in refusal(command, run)
    assert before == contents(victim)


@pytest.mark.parametrize("sink", ["log_file", "outputs", "parquet", "tensorboard"])
@pytest.mark.parametrize(
    "path",
    [
        "{dir}/victim/file",
        "{dir}/{run}/../victim/file",
        "{dir}/{run}/parquet/../../victim",
        "{dir}/victim",
        "{dir}",
        "{dir}/{run}",
        "/",
        "a\0b",
        "{dir}/{run}/events.jsonl",
        "{dir}/{run}/run.json",
    ],
)
def test_recorded_path(sink: str, path: str, run: Path, victim: Path) -> None:
    """A recorded path outside of the run's folder, or of the run itself, is left alone."""
    change_config(run, lambda config: config["sinks"][sink]["options"].update(path=path))
    before, journal = contents(victim), (run / "events.jsonl").read_bytes()

    for command in WRITING.values():
        assert "outside of the run's folder" in refusal(command, run)
    assert before == contents(victim)
    assert journal == (run / "events.jsonl").read_bytes()


def test_sink_file_elsewhere(tmp_path: Path) -> None:
    """A sink file outside of the run's folder is repaired when the user names it, only then."""
    run = logflume.initialize("gemma", dir=tmp_path, run="r").folder
    logflume.get_training_logger().info("training", loss=1.0)
    logflume.get_model_logger().info("model_output", question="q", model_output="x")
    logflume.shutdown()
    outputs = tmp_path / "gemma_outputs.csv"
    complete = outputs.read_bytes()
    outputs.write_bytes(complete[: complete.index(b"\n") + 1])
    damaged = outputs.read_bytes()
    notes: list[str] = []

    assert [] == repair(run, note=notes.append)
    assert damaged == outputs.read_bytes()
    assert any(str(outputs) in note and "--outside" in note for note in notes)

    assert [str(outputs)] == [issue.file for issue in diagnose(run, outside=[outputs])]
    assert [] == repair(run, outside=[outputs])
    assert complete == outputs.read_bytes()


def run_command(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "logflume", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(os.path.isabs, sys.path))},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    "command", [["doctor"], ["doctor", "--fix"], ["show"], ["compact"], ["replay", "--to", "csv"]]
)
def test_nothing_is_imported(command: list[str], run: Path) -> None:
    """A module in the folder of the run is not imported: not as a sink, nor in place of another."""
    ran = "import pathlib; pathlib.Path(__file__ + '.ran').touch()\nclass Sink: pass\n"
    for name in ("own", "psutil", "typer", "pyarrow", "duckdb", "tensorboard"):
        (run / f"{name}.py").write_text(ran)
    (run / "evil-1.dist-info").mkdir()
    (run / "evil-1.dist-info" / "METADATA").write_text("Name: evil\nVersion: 1\n")
    (run / "evil-1.dist-info" / "entry_points.txt").write_text("[logflume.sinks]\nevil=own:Sink\n")

    def change(config: dict[str, Any]) -> None:
        for kind in ("own:Sink", "evil"):
            options = {"path": "{dir}/{run}/own.txt"}
            config["sinks"][kind] = {"type": kind, "options": options}
            config["root"]["sinks"].append(kind)

    change_config(run, change)

    done = run_command(command[0], ".", *command[1:], folder=run)

    assert [] == list(run.glob("*.ran"))
    assert "Traceback" not in done.stderr
    if command == ["doctor"]:
        assert "nothing is imported because a journal names it" in done.stderr
