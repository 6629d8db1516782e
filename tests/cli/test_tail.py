"""`logflume tail`, for live runs and runs that have ended."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import logflume
from tests.cli.commands import check_error, check_output
from tests.query.independent import journaled
from tests.query.training_run import log_steps, start, write_run


def seqs(text: str) -> list[int]:
    return [json.loads(line)["seq"] for line in text.splitlines()]


def test_the_last_events(tmp_path: Path) -> None:
    """The last events are printed in readable form, or as JSON exactly as in the journal."""
    folder = write_run(tmp_path / "logs", range(1, 301))
    lines = (folder / "events.jsonl").read_text().splitlines()
    assert lines[-4:] == check_output(tmp_path, "tail", "-n", "4", "--json").splitlines()
    assert "run_finished status=finished" in check_output(tmp_path, "tail")
    assert 10 == len(check_output(tmp_path, "tail", "r").splitlines())


def test_types_and_conditions(tmp_path: Path) -> None:
    """Types and a condition select events; the search goes back as far as necessary."""
    folder = write_run(tmp_path / "logs", range(1, 401))
    rewards = journaled(folder, "reward")
    options = ["--type", "reward", "--json"]
    assert [e["seq"] for e in rewards[-5:]] == seqs(
        check_output(tmp_path, "tail", "-n", "5", *options)
    )
    assert [e["seq"] for e in rewards if e["step"] < 4] == seqs(
        check_output(tmp_path, "tail", *options, "--where", "step < 4")
    )
    both = check_output(tmp_path, "tail", "--type", "training", *options, "--where", "step = 400")
    assert {"training", "reward"} == {json.loads(line)["event"] for line in both.splitlines()}
    nan = check_output(tmp_path, "tail", *options, "--where", "step = 5")
    assert {"rewards/right.3": "NaN"} == json.loads(nan)["nonfinite"]


@pytest.fixture
def following(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    start(tmp_path / "logs", jsonl={"rotate_bytes": 2_000})
    log_steps([1])
    logflume.flush()
    process = subprocess.Popen(
        [sys.executable, "-m", "logflume", "tail", "-f", "--json", "-n", "100"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    yield process
    process.kill()
    process.communicate()


def test_following(following: subprocess.Popen[str], tmp_path: Path) -> None:
    """With -f each event is printed once and in order, across rotations, until the run ends."""
    assert following.stdout is not None
    events = [json.loads(following.stdout.readline()) for _ in range(7)]
    for step in range(2, 40):
        log_steps([step])
        logflume.flush()
        if step % 10 == 0:
            while events[-1].get("step") != step:
                events.append(json.loads(following.stdout.readline()))
    logflume.shutdown()
    events += map(json.loads, following.stdout)
    _, errors = following.communicate(timeout=60)
    assert 3 < len(list((tmp_path / "logs" / "r").glob("events.0*")))
    assert list(range(len(events))) == [event["seq"] for event in events]
    assert ("pipeline", "", 0) == (events[-1]["event"], errors, following.returncode)


def test_interrupted(following: subprocess.Popen[str]) -> None:
    """Ctrl-C stops the command without a traceback."""
    assert following.stdout is not None
    following.stdout.readline()
    following.send_signal(signal.SIGINT)
    _, errors = following.communicate(timeout=60)
    assert "Traceback" not in errors


def test_a_closed_pipe(tmp_path: Path) -> None:
    """A closed pipe, as with `| head -1`, is not reported as an error."""
    write_run(tmp_path / "logs", range(1, 2000))
    done = subprocess.run(
        f"{sys.executable} -m logflume tail -n 100000 --json | head -n 1",
        shell=True,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert 0 == json.loads(done.stdout)["seq"]
    assert "" == done.stderr


def test_a_field_that_few_events_have(tmp_path: Path) -> None:
    """The search goes back until an event matches, skipping types without the fields."""
    start(tmp_path / "logs")
    log_steps([7])
    for number in range(1_500):
        logflume.get_logger().info("note", number=number)
    logflume.shutdown()
    (line,) = check_output(
        tmp_path, "tail", "--json", "--where", "loss < 1 and step = 7"
    ).splitlines()
    assert "training" == json.loads(line)["event"]
    assert "no event here is of type 'trainin'" in check_error(
        tmp_path, "tail", "--type", "trainin"
    )


def test_long_messages(tmp_path: Path) -> None:
    """A long message is truncated on the terminal, and complete as JSON."""
    start(tmp_path / "logs")
    logflume.get_logger().info("a b" * 10_000)
    logflume.shutdown()
    assert 2_000 > max(map(len, check_output(tmp_path, "tail").splitlines()))
    assert 30_000 < max(map(len, check_output(tmp_path, "tail", "--json").splitlines()))
