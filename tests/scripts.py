"""Test programs that run in a process of their own, and checks of what they logged."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from tests.event_helpers import read

START = """
import os, signal, sys, threading, time, warnings
import logflume

# Python 3.12 warns about forks in a process with threads.
warnings.filterwarnings("ignore", "This process", DeprecationWarning)

for number in (signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_DFL)  # under nohup the tests would pass on SIG_IGN

config = {
    "worker": os.environ.get("WORKER", "thread"),
    "root": {"level": "INFO", "sinks": ["jsonl"]},
    "sinks": {
        "jsonl": {"path": "{dir}/{run}/events.jsonl"},
        "parquet": {"path": "{dir}/{run}/parquet"},
    },
}
log = logflume.get_logger()

def start(**more):
    logflume.initialize({**config, **more}, dir=sys.argv[1], run="r")

def say(text):
    print(text, flush=True)

def wait():
    while True:  # a signal just before a long sleep would be handled only after the sleep
        time.sleep(0.05)
"""

DEADLINE_S = 60.0


class Script:
    """A program that runs in a process of its own.

    Args:
        folder: The folder of all runs.
        text: The program; `START` precedes it.
        launcher: A command that executes the command line it is given.

    Attributes:
        process: The process.
        folder: The folder of its run.
    """

    def __init__(self, folder: Path, text: str, launcher: Sequence[str] = ()) -> None:
        self.folder = folder / "r"
        path = folder / "script.py"
        path.write_text(START + textwrap.dedent(text))
        self.process = subprocess.Popen(
            [*launcher, sys.executable, str(path), str(folder)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def line(self) -> str:
        """Wait for the next line of standard output and return it."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def end(self) -> tuple[int, str]:
        """Wait for the end; return the exit code and the standard error."""
        try:
            _, errors = self.process.communicate(timeout=DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        return self.process.returncode, errors

    def events(self) -> list[dict[str, Any]]:
        """Return the events of its journal."""
        return read(self.folder / "events.jsonl")

    def numbers(self) -> list[int]:
        """Return the numbers of its `x` events, in the order of the journal."""
        return [int(e["number"]) for e in self.events() if e["event"] == "x"]

    def check_whole(self, count: int, status: str) -> dict[str, Any]:
        """Check that the run is complete in every sink; return its `run_finished` event.

        Args:
            count: How many `x` events the program logged.
            status: The expected status of the run.
        """
        assert list(range(count)) == self.numbers()
        (finished,) = (e for e in self.events() if e["event"] == "run_finished")
        assert status == finished["status"]
        assert "report" == self.events()[-1]["status"]
        if (self.folder / "parquet").exists():
            assert count == pq.read_table(self.folder / "parquet" / "x").num_rows
        return finished


def start_and_wait(folder: Path, before: str = "") -> Script:
    """Start a program that writes the run `r` and runs until it is killed.

    Args:
        folder: The folder of all runs.
        before: Code to execute before the run starts.
    """
    script = Script(
        folder,
        before + 'start()\nlog.info("x", number=0)\nsay(logflume.flush())\nwait()\n',
    )
    assert "True" == script.line()
    return script


def kill(script: Script) -> None:
    """Kill a program with SIGKILL."""
    script.process.kill()
    script.process.communicate()


WITH_PARQUET = """
config["root"]["sinks"].append("parquet")
"""

LOG_A_THOUSAND = """
start()
for number in range(1_000):
    log.info("x", number=number)
"""

CHILDREN = """
import multiprocessing

def work(child):
    for number in range(100):
        log.info("y", child=child, number=number)

def wait_for(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
"""


def by_child(script: Script) -> dict[int, list[int]]:
    """Return the numbers that each child logged; check that each child's journal is complete."""
    numbers: dict[int, list[int]] = {}
    for path in script.folder.glob("events-pid*.jsonl"):
        events = read(path)
        assert list(range(len(events))) == [e["seq"] for e in events]
        assert {path.stem.removeprefix("events-")} >= {e["process"] for e in events}
        assert not {"run_started", "run_finished"} & {e["event"] for e in events}
        for event in events:
            if event["event"] == "y":
                numbers.setdefault(int(event["child"]), []).append(int(event["number"]))
    return numbers


def check_children(script: Script, children: int, errors: str = "") -> None:
    """Check that the parent's run and the journals of its children are complete.

    Args:
        script: The program; it must end with exit code 0.
        children: The number of children.
        errors: The expected standard error.
    """
    assert (0, errors) == script.end()
    script.check_whole(1_000, "finished")
    assert not [e for e in script.events() if e["event"] == "y" or "process" in e]
    assert {child: list(range(100)) for child in range(children)} == by_child(script)
    state = json.loads((script.folder / "run.json").read_text())
    assert "finished" == state["status"]
    assert {"number": "number"} == state["kinds"]["x"]
    assert "y" not in state["kinds"]
