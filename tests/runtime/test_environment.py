"""The environment of a process: its streams, folders and descriptors don't affect the outputs."""

from __future__ import annotations

import csv
import json
import textwrap
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import logflume
from logflume.formats.tfevents import find_files
from tests.event_helpers import read
from tests.scripts import Script

pytestmark = pytest.mark.usefixtures("each_worker")

CONSOLE = """
config["root"]["sinks"].append("console")
config["sinks"]["console"] = {}
"""

STREAMS = """
import io

class WithoutIsatty:
    def write(self, text): return len(text)
    def flush(self): pass

class WithoutFlush:
    def write(self, text): return len(text)
    def isatty(self): return False

def closed():
    stream = io.StringIO()
    stream.close()
    return stream
"""

EVERY_SINK = """
config["root"]["sinks"] = ["jsonl", "parquet", "csv", "tensorboard", "text"]
config["sinks"] |= {
    "jsonl": {"path": "{dir}/{run}/events.jsonl", "rotate_bytes": 100_000},
    "csv": {"path": "{dir}/{run}/x.csv", "events": ["x"]},
    "tensorboard": {"path": "{dir}/{run}/tensorboard"},
    "text": {"type": "console", "path": "{dir}/{run}/training.log"},
}

def log_numbers(*numbers):
    for number in range(*numbers):
        log.info("x", step=number, number=number, text="a" * 1_000)
    return logflume.flush()

def log_in_child(child):
    pid = os.fork()
    if pid == 0:
        log.info("y", child=child)
        sys.exit()
    os.waitpid(pid, 0)
"""

CLOSED = ("sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh")
"""Starts a program without standard streams."""


@pytest.mark.parametrize("is_early", [True, False], ids=["at initialize()", "later"])
@pytest.mark.parametrize(
    ("stream", "code"),
    [
        ("WithoutIsatty()", 0),
        ("WithoutFlush()", 120),  # by Python itself, which can't flush it at the end
        ("None", 0),
        ("closed()", 0),
    ],
)
def test_an_unusual_standard_error(stream: str, code: int, is_early: bool, tmp_path: Path) -> None:
    """Whatever `sys.stderr` is, all events are written, and the exit code is that of Python."""
    replacing = f"sys.stderr = {stream}\n"
    script = Script(
        tmp_path,
        f"{CONSOLE}{STREAMS}{replacing * is_early}start()\n"
        f"log.info('x', number=0)\nlogflume.flush()\n{replacing}"
        "for number in range(1, 100): log.info('x', number=number)\n",
    )
    found, errors = script.end()
    assert code == found
    assert "Traceback" not in errors
    script.check_whole(100, "finished")


def check_every_sink(folder: Path, count: int, children: int) -> None:
    """Check that each sink has all `x` events once, and that each child has a journal."""
    expected = list(range(count))
    journals = logflume.open_run(folder).events("x").to_pylist()
    assert expected == sorted(event["number"] for event in journals)
    numbers: list[Any] = pq.read_table(folder / "parquet" / "x")["number"].to_pylist()
    assert expected == sorted(numbers)
    with (folder / "x.csv").open(newline="") as file:
        assert expected == sorted(int(row["step"]) for row in csv.DictReader(file))
    assert count == (folder / "training.log").read_text().count(" number=")
    assert find_files(folder / "tensorboard")
    assert list(folder.glob("events.000*.jsonl*"))
    found = [e for path in folder.glob("events-pid*.jsonl") for e in read(path)]
    assert list(range(children)) == sorted(e["child"] for e in found if e["event"] == "y")
    state = json.loads((folder / "run.json").read_text())
    assert ("finished", "number") == (state["status"], state["kinds"]["x"]["number"])


def test_another_working_directory(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """After `os.chdir` every file, also after a take-over, stays in the original folder."""
    script = Script(
        tmp_path,
        EVERY_SINK
        + textwrap.dedent("""
        import psutil
        from pathlib import Path
        os.chdir(sys.argv[1]), os.mkdir("first"), os.mkdir("other"), os.chdir("first")
        config["root"]["sinks"].append("relative")
        config["sinks"]["relative"] = {"type": "csv", "path": Path("relative.csv"), "events": ["x"]}
        run = logflume.initialize(config, dir="logs", run="r")
        log_numbers(100)
        os.chdir("../other")
        log_numbers(100, 500)
        log_in_child(0)
        for child in psutil.Process().children():
            child.kill()
        log_in_child(1)
        log_numbers(500, 600)
        logflume.shutdown()
        say(run.folder)
        """),
    )
    folder = tmp_path / "first" / "logs" / "r"
    assert str(folder) == script.line()
    _, errors = script.end()
    check_every_sink(folder, 600, children=2)
    assert 601 == len((tmp_path / "first" / "relative.csv").read_text().splitlines())
    assert ["first", "other", "script.py"] == sorted(path.name for path in tmp_path.iterdir())
    assert [] == list((tmp_path / "other").iterdir())
    assert ["latest", "r"] == sorted(path.name for path in (tmp_path / "first" / "logs").iterdir())
    attempts = {e["attempt"] for e in logflume.open_run(folder).events("x").to_pylist()}
    assert {0} == attempts
    assert ("worker process has ended" in errors) == ("[process]" in request.node.name)


@pytest.mark.parametrize("name", ["a{b}c{run}", "{dir}", "{rank}"])
def test_a_folder_with_braces(name: str, tmp_path: Path) -> None:
    """Placeholders in the name of the folder of all runs aren't replaced."""
    script = Script(
        tmp_path,
        f"""{EVERY_SINK}
os.chdir(sys.argv[1])
logflume.initialize(config, dir={name!r}, run="r")
log_numbers(300)
log_in_child(0)
logflume.shutdown()
logflume.initialize(config, dir={name!r}, run="r")
log_numbers(300, 400)
""",
    )
    assert (0, "") == script.end()
    check_every_sink(tmp_path / name / "r", 400, children=1)
    assert sorted([name, "script.py"]) == sorted(path.name for path in tmp_path.iterdir())


def test_closed_descriptors(tmp_path: Path) -> None:
    """Without standard streams, no file gets their descriptors, so no print ends up in a file."""
    script = Script(
        tmp_path,
        EVERY_SINK
        + textwrap.dedent("""
        taken = []

        def disturb():
            print("from Python")
            for number in range(3):
                try:
                    os.write(number, b"from C\\n")
                except OSError:
                    continue
                taken.append(os.readlink(f"/proc/self/fd/{number}"))

        def disturb_in_child():
            pid = os.fork()
            if pid == 0:
                log.info("y", child=0)
                logflume.flush()
                disturb()
                os._exit(len(taken))
            assert os.waitpid(pid, 0)[1] == 0

        start()
        for number in range(0, 400, 20):
            log_numbers(number, number + 20)
            disturb()
        disturb_in_child()
        logflume.shutdown()
        with open(sys.argv[1] + "/taken", "w") as file:
            print(taken, file=file)
        """),
        launcher=CLOSED,
    )
    assert 0 == script.end()[0]
    assert "[]\n" == (tmp_path / "taken").read_text()
    check_every_sink(script.folder, 400, children=1)
    for path in script.folder.rglob("*"):
        assert path.is_dir() or b"from C" not in path.read_bytes()
