"""`logflume tail`, of runs that have ended and live."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import logflume
from tests.cli.commands import ask, refuse
from tests.query.independent import journaled
from tests.query.training_run import log_steps, start, write_run


def seqs(text: str) -> list[int]:
    return [json.loads(line)["seq"] for line in text.splitlines()]


def test_the_last_events(tmp_path: Path) -> None:
    """The last events are printed as lines for people, or as JSON as the journal has them."""
    folder = write_run(tmp_path / "logs", range(1, 301))
    lines = (folder / "events.jsonl").read_text().splitlines()
    assert lines[-4:] == ask(tmp_path, "tail", "-n", "4", "--json").splitlines()
    assert "run_finished status=finished" in ask(tmp_path, "tail")
    assert 10 == len(ask(tmp_path, "tail", "r").splitlines())


def test_what_is_wanted(tmp_path: Path) -> None:
    """Types and a condition choose; events are looked for as far back as need be."""
    folder = write_run(tmp_path / "logs", range(1, 401))
    rewards = journaled(folder, "reward")
    wanted = ["--type", "reward", "--json"]
    assert [e["seq"] for e in rewards[-5:]] == seqs(ask(tmp_path, "tail", "-n", "5", *wanted))
    assert [e["seq"] for e in rewards if e["step"] < 4] == seqs(
        ask(tmp_path, "tail", *wanted, "--where", "step < 4")
    )
    both = ask(tmp_path, "tail", "--type", "training", *wanted, "--where", "step = 400")
    assert {"training", "reward"} == {json.loads(line)["event"] for line in both.splitlines()}
    nan = ask(tmp_path, "tail", *wanted, "--where", "step = 5")
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
    """With -f each event comes once, in order, through rotations; the run's end ends it."""
    assert following.stdout is not None
    found = [json.loads(following.stdout.readline()) for _ in range(7)]
    for step in range(2, 40):
        log_steps([step])
        logflume.flush()
        if step % 10 == 0:
            while found[-1].get("step") != step:
                found.append(json.loads(following.stdout.readline()))
    logflume.shutdown()
    found += map(json.loads, following.stdout)
    _, errors = following.communicate(timeout=60)
    assert 3 < len(list((tmp_path / "logs" / "r").glob("events.0*")))
    assert list(range(len(found))) == [event["seq"] for event in found]
    assert ("pipeline", "", 0) == (found[-1]["event"], errors, following.returncode)


def test_interrupted(following: subprocess.Popen[str]) -> None:
    """Ctrl-C ends it without a traceback."""
    assert following.stdout is not None
    following.stdout.readline()
    following.send_signal(signal.SIGINT)
    _, errors = following.communicate(timeout=60)
    assert "Traceback" not in errors


def test_a_reader_that_has_seen_enough(tmp_path: Path) -> None:
    """A closed pipe, as `| head -1` makes it, is no error to show."""
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
    """A condition is tried on as many events as it takes; types without its fields don't matter."""
    start(tmp_path / "logs")
    log_steps([7])
    for number in range(1_500):
        logflume.get_logger().info("note", number=number)
    logflume.shutdown()
    (line,) = ask(tmp_path, "tail", "--json", "--where", "loss < 1 and step = 7").splitlines()
    assert "training" == json.loads(line)["event"]
    assert "no event here is of type 'trainin'" in refuse(tmp_path, "tail", "--type", "trainin")


def test_long_messages(tmp_path: Path) -> None:
    """A long message is cut on the terminal, and whole as JSON."""
    start(tmp_path / "logs")
    logflume.get_logger().info("a b" * 10_000)
    logflume.shutdown()
    assert 2_000 > max(map(len, ask(tmp_path, "tail").splitlines()))
    assert 30_000 < max(map(len, ask(tmp_path, "tail", "--json").splitlines()))
