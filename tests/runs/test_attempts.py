"""Concurrent attempts: two processes write the same run, if so configured."""

from __future__ import annotations

from pathlib import Path

import pytest

import logflume
from tests.event_helpers import JOURNAL, identities, read
from tests.scripts import WITH_PARQUET, Script, kill, start_and_wait

CONCURRENT = {**JOURNAL, "when_claimed": "next_attempt"}


def test_a_concurrent_attempt(tmp_path: Path) -> None:
    """If so configured, a second process becomes the next attempt, with files of its own."""
    first = start_and_wait(tmp_path, WITH_PARQUET)
    files = set((tmp_path / "r").iterdir())
    config = {
        "when_claimed": "next_attempt",
        "root": {"sinks": ["jsonl", "log_file", "parquet", "tensorboard", "csv"]},
        "sinks": {
            "jsonl": {"path": "{dir}/{run}/events.jsonl"},
            "log_file": {"type": "console", "path": "{dir}/{run}/training.log"},
            "csv": {"path": "{dir}/{run}/x.csv"},
            "parquet": {"path": "{dir}/{run}/parquet"},
            "tensorboard": {"path": "{dir}/{run}/tensorboard"},
        },
    }
    second = logflume.initialize(config, dir=tmp_path, run="r")
    logflume.get_logger().info("training", loss=0.5, step=1)
    logflume.shutdown()
    kill(first)

    assert 1 == second.attempt
    names = {path.name for path in set(second.folder.iterdir()) - files}
    assert {
        "events-attempt1.jsonl",
        "training-attempt1.log",
        "x-attempt1.csv",
        "parquet-attempt1",
        "tensorboard-attempt1",
        "run-attempt1.json",
    } == names
    assert {1} == {e["attempt"] for e in read(second.folder / "events-attempt1.jsonl")}


def test_continuing_after_concurrent_attempts(tmp_path: Path) -> None:
    """The next attempt has an unused number, the run's own files, and the kinds of all attempts."""
    first = start_and_wait(tmp_path)
    for number in (1, 2):
        concurrent = logflume.initialize(CONCURRENT, dir=tmp_path, run="r")
        logflume.get_logger().info("concurrent", value=1)
        logflume.shutdown()
        assert number == concurrent.attempt
    kill(first)
    last = logflume.initialize(CONCURRENT, dir=tmp_path, run="r")
    logflume.get_logger().info("concurrent", value="text")
    logflume.shutdown()

    assert 3 == last.attempt
    events = list(logflume.open_run(last.folder))
    assert {0, 1, 2, 3} == {e["attempt"] for e in events}
    assert 1 == max(identities(events).values())
    assert ['{"value":"text"}'] == [e["extras"] for e in events if "extras" in e]


MANY = """
import subprocess
if len(sys.argv) == 2:
    command = [sys.executable, __file__, sys.argv[1]]
    children = [
        subprocess.Popen([*command, "go"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(8)
    ]
    for child in children:
        child.stdout.readline()
    for child in children:
        child.stdin.close()
    results = [child.stdout.readline().strip() for child in children]
    for child in children:
        child.kill()
        child.wait()
    say(" ".join(sorted(results)))
else:
    say("ready")
    sys.stdin.read()
    try:
        start(when_claimed="{when_claimed}")
    except logflume.RunError:
        say("refused")
    else:
        log.info("x", number=1)
        logflume.flush()
        from logflume.runtime.lifecycle import current_run
        say(current_run().attempt)
    wait()
"""


@pytest.mark.parametrize(
    ("when_claimed", "expected"),
    [("error", ["0", *["refused"] * 7]), ("next_attempt", [str(n) for n in range(8)])],
)
def test_simultaneous_starts(when_claimed: str, expected: list[str], tmp_path: Path) -> None:
    """If processes start simultaneously, one gets the run, and no two get the same attempt."""
    script = Script(tmp_path, MANY.replace("{when_claimed}", when_claimed))

    assert expected == script.line().split()
    assert (0, "") == script.end()
    events = list(logflume.open_run(tmp_path / "r"))
    assert 1 == max(identities(events).values())
    assert expected.count("refused") == 8 - len([e for e in events if e["event"] == "x"])
