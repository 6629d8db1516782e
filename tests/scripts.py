"""Programs that log and end, each in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from tests.own_events import read

START = """
import os, signal, sys, threading, time
import logflume

for number in (signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_DFL)  # tests that run under nohup hand on another

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
    while True:  # a signal that comes just before a long sleep would be seen after it only
        time.sleep(0.05)
"""

DEADLINE_S = 60.0


class Script:
    """A program that runs in a process of its own.

    Attributes:
        process: The process.
        folder: Where its run is.
    """

    def __init__(self, folder: Path, text: str) -> None:
        self.folder = folder / "r"
        path = folder / "script.py"
        path.write_text(START + textwrap.dedent(text))
        self.process = subprocess.Popen(
            [sys.executable, str(path), str(folder)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def line(self) -> str:
        """Wait for the next line that it prints."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def end(self) -> tuple[int, str]:
        """Wait for the end; return the exit code and what is on standard error."""
        try:
            _, errors = self.process.communicate(timeout=DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        return self.process.returncode, errors

    def events(self) -> list[dict[str, Any]]:
        """Read its journal."""
        return read(self.folder / "events.jsonl")

    def numbers(self) -> list[int]:
        """Return the numbers that it logged, as the journal has them."""
        return [int(e["number"]) for e in self.events() if e["event"] == "x"]

    def check_whole(self, count: int, status: str) -> dict[str, Any]:
        """Check that the run is complete, in every sink; return its `run_finished`."""
        assert list(range(count)) == self.numbers()
        (finished,) = (e for e in self.events() if e["event"] == "run_finished")
        assert status == finished["status"]
        assert "report" == self.events()[-1]["status"]
        if (self.folder / "parquet").exists():
            assert count == pq.read_table(self.folder / "parquet" / "x").num_rows
        return finished


def start_and_wait(folder: Path, before: str = "") -> Script:
    """Start a process that writes the run "r", and goes on until it is killed."""
    script = Script(
        folder,
        before + 'start()\nlog.info("x", number=0)\nsay(logflume.flush())\nwait()\n',
    )
    assert "True" == script.line()
    return script


def kill(script: Script) -> None:
    """End a process as `kill -9` does."""
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
import multiprocessing, warnings
# Python 3.12 warns of a fork in a process with threads.
warnings.simplefilter("ignore", DeprecationWarning)

def work(child):
    for number in range(100):
        log.info("y", child=child, number=number)

def wait_for(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
"""


def by_child(script: Script) -> dict[int, list[int]]:
    """Return what the children logged, from their journals, each of which must be whole."""
    found: dict[int, list[int]] = {}
    for path in script.folder.glob("events-pid*.jsonl"):
        events = read(path)
        assert list(range(len(events))) == [e["seq"] for e in events]
        assert {path.stem.removeprefix("events-")} >= {e["process"] for e in events}
        assert not {"run_started", "run_finished"} & {e["event"] for e in events}
        for event in events:
            if event["event"] == "y":
                found.setdefault(int(event["child"]), []).append(int(event["number"]))
    return found


def check_children(script: Script, children: int, errors: str = "") -> None:
    """Check the parent's run and that every child's events are there once."""
    assert (0, errors) == script.end()
    script.check_whole(1_000, "finished")
    assert not [e for e in script.events() if e["event"] == "y" or "process" in e]
    assert {child: list(range(100)) for child in range(children)} == by_child(script)
    state = json.loads((script.folder / "run.json").read_text())
    assert "finished" == state["status"]
    assert {"number": "number"} == state["kinds"]["x"]
    assert "y" not in state["kinds"]
