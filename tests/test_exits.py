"""Ends of a process: all that was logged is written, and it ends as it would have without us."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.own_events import read

START = """
import os, signal, sys, threading, time
import logflume
from logflume.exits import install

config = {
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


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


WITH_PARQUET = """
config["root"]["sinks"].append("parquet")
"""

LOG_A_THOUSAND = """
start()
for number in range(1_000):
    log.info("x", number=number)
"""


def test_the_end_of_the_program(folder: Path) -> None:
    """A program that just ends leaves a complete run, and nothing on standard error."""
    script = Script(folder, WITH_PARQUET + LOG_A_THOUSAND)

    assert (0, "") == script.end()
    script.check_whole(1_000, "finished")


def test_no_sooner_begun_than_ended(folder: Path) -> None:
    """A program that ends at once after `initialize()` has its first and its last event."""
    script = Script(folder, "start()")

    assert (0, "") == script.end()
    assert ["run_started", "run_finished", "pipeline"] == [e["event"] for e in script.events()]


def test_an_exception(folder: Path) -> None:
    """It is logged with its traceback, ends the run as failed, and is printed as ever."""
    script = Script(folder, LOG_A_THOUSAND + "raise ValueError('no such column')")
    code, errors = script.end()

    assert 1 == code
    assert errors.startswith("Traceback (most recent call last):")
    assert errors.endswith("ValueError: no such column\n")
    finished = script.check_whole(1_000, "failed")
    assert "ValueError: no such column" == finished["exception"]
    (event,) = (e for e in script.events() if e["event"] == "exception")
    assert ("critical", "ValueError", "no such column") == (
        event["level"],
        event["exception/type"],
        event["exception/message"],
    )
    assert "script.py" in event["exception/traceback"]


def test_the_users_excepthook(folder: Path) -> None:
    """A hook that was there before is called, too."""
    script = Script(folder, "sys.excepthook = lambda *_: say('mine')\n" + LOG_A_THOUSAND + "1 / 0")

    assert "mine" == script.line()
    assert (1, "") == script.end()
    script.check_whole(1_000, "failed")


def test_sys_exit(folder: Path) -> None:
    """`sys.exit(3)` ends with code 3, and everything is written."""
    script = Script(folder, LOG_A_THOUSAND + "sys.exit(3)")

    assert (3, "") == script.end()
    script.check_whole(1_000, "finished")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_ends_it(number: signal.Signals, folder: Path) -> None:
    """It dies by that signal, as without us, after everything is written."""
    script = Script(folder, WITH_PARQUET + LOG_A_THOUSAND + "say('ready')\nwait()")
    assert "ready" == script.line()
    script.process.send_signal(number)

    assert (-number, "") == script.end()
    script.check_whole(1_000, "terminated")


@pytest.mark.parametrize(
    "buffer",
    [
        {"size": 65_536},
        {"size": 20, "when_full": "block", "block_timeout_s": 0.01},
        {"size": 20, "when_full": "drop_newest"},
        {"size": 20, "when_full": "drop_oldest"},
    ],
    ids=lambda buffer: str(buffer.get("when_full", "room")),
)
def test_a_signal_while_it_logs(buffer: dict[str, Any], folder: Path) -> None:
    """In the middle of a flood of calls, of errors too, it dies at once and keeps its word."""
    script = Script(
        folder,
        f"""
        start(buffer={buffer}, shutdown_timeout_s=20)
        say("ready")
        for number in range(10**9):
            log.error("x", number=number) if number % 2 else log.info("x", number=number)
        """,
    )
    assert "ready" == script.line()
    while not script.folder.joinpath("events.jsonl").stat().st_size > 50_000:
        assert script.process.poll() is None
    script.process.send_signal(signal.SIGTERM)

    assert (-signal.SIGTERM, "") == (script.end()[0], "")
    events = script.events()
    finished, report = events[-2:]
    assert ("run_finished", "terminated") == (finished["event"], finished["status"])
    assert report["accepted"] == len(script.numbers()) + report["dropped"]
    assert report["sinks/jsonl/accepted"] == report["sinks/jsonl/written"]
    assert finished["duration_s"] < 20


def test_a_signal_while_it_shuts_down(folder: Path) -> None:
    """A SIGTERM that comes during `shutdown()` waits for it, and then ends the process."""
    script = Script(
        folder,
        """
        class Slow:
            def write(self, events): pass
            def flush(self): pass
            def close(self):
                say("closing")
                time.sleep(0.5)
                say("closed")

        config["root"]["sinks"].insert(0, "slow")
        config["sinks"]["slow"] = Slow()
        """
        + textwrap.indent(LOG_A_THOUSAND, " " * 8)
        + """
        logflume.shutdown()
        say("not reached")
        """,
    )
    assert "closing" == script.line()
    script.process.send_signal(signal.SIGTERM)

    assert ["closed", ""] == [script.line(), script.line()]
    assert (-signal.SIGTERM, "") == script.end()
    script.check_whole(1_000, "finished")


def test_sigint(folder: Path) -> None:
    """Ctrl-C is a `KeyboardInterrupt`, the exit status Python's own, the run interrupted."""
    script = Script(folder, WITH_PARQUET + LOG_A_THOUSAND + "say('ready')\nwait()")
    assert "ready" == script.line()
    script.process.send_signal(signal.SIGINT)
    code, errors = script.end()

    assert -signal.SIGINT == code
    assert errors.endswith("KeyboardInterrupt\n")
    script.check_whole(1_000, "interrupted")


def test_the_users_own_handler(folder: Path) -> None:
    """A handler that was set before stays and is called; what it does is what happens."""
    script = Script(
        folder,
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n"
        + LOG_A_THOUSAND
        + "say('ready')\nwait()",
    )
    assert "ready" == script.line()
    script.process.send_signal(signal.SIGTERM)

    assert (7, "") == script.end()
    script.check_whole(1_000, "finished")


def test_an_ignored_signal(folder: Path) -> None:
    """Under `nohup` SIGHUP stays ignored."""
    script = Script(
        folder,
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        + LOG_A_THOUSAND
        + "os.kill(os.getpid(), signal.SIGHUP)",
    )

    assert (0, "") == script.end()
    script.check_whole(1_000, "finished")


def test_os_exit(folder: Path) -> None:
    """`os._exit` skips every hook: all but the last interval is in the journal, in whole lines."""
    script = Script(
        folder,
        LOG_A_THOUSAND + "logflume.flush()\nlog.info('x', number=1_000)\nos._exit(5)",
    )

    assert (5, "") == script.end()
    assert script.numbers() in (list(range(1_000)), list(range(1_001)))


def test_an_exception_in_a_thread(folder: Path) -> None:
    """It is logged with the thread's name and printed; the hook of before is called."""
    script = Script(
        folder,
        """
        before = threading.excepthook
        threading.excepthook = lambda args: (say("mine"), before(args))
        """
        + textwrap.indent(LOG_A_THOUSAND, " " * 8)
        + """
        thread = threading.Thread(target=lambda: 1 / 0, name="loader")
        thread.start()
        thread.join()
        """,
    )
    assert "mine" == script.line()
    code, errors = script.end()

    assert 0 == code
    assert "Exception in thread loader" in errors
    script.check_whole(1_000, "finished")
    (event,) = (e for e in script.events() if e["event"] == "exception")
    assert ("loader", "ZeroDivisionError") == (event["thread"], event["exception/type"])


@pytest.mark.parametrize("daemon", [True, False])
def test_threads_that_log_to_the_end(daemon: bool, folder: Path) -> None:
    """Threads that go on logging while the process ends neither hang it nor tear a line."""
    script = Script(
        folder,
        f"""
        start(buffer={{"size": 100}})
        ending = threading.Event()

        def work():
            number = 0
            while {daemon} or not ending.is_set():
                log.info("y", number=number)
                number += 1

        for _ in range(4):
            threading.Thread(target=work, daemon={daemon}).start()
        for number in range(100):
            log.info("x", number=number)
        ending.set()
        """,
    )
    code, _ = script.end()

    assert 0 == code
    script.check_whole(100, "finished")


def test_a_sink_that_hangs(folder: Path) -> None:
    """The process ends within the timeout, and says that the sinks were not done."""
    script = Script(
        folder,
        """
        class Hanging:
            def write(self, events): time.sleep(3600)
            def flush(self): pass
            def close(self): pass

        config["root"]["sinks"].append("hanging")
        config["sinks"]["hanging"] = Hanging()
        start(shutdown_timeout_s=0.5)
        log.info("x", number=0)
        """,
    )
    code, errors = script.end()

    assert 0 == code
    assert "the sinks were not done in time (see shutdown_timeout_s)" in errors


def test_a_log_call_in_an_exit_handler(folder: Path) -> None:
    """Exit handlers registered after `initialize()` run before ours, so what they log is there."""
    script = Script(
        folder,
        """
        import atexit
        start()
        atexit.register(lambda: log.info("x", number=0))
        """,
    )

    assert (0, "") == script.end()
    script.check_whole(1, "finished")
