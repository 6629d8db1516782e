"""Signals: all events are written, and the process dies as it would without logflume."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from tests.scripts import LOG_A_THOUSAND, WITH_PARQUET, Script

pytestmark = pytest.mark.usefixtures("each_worker")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_fatal_signal(number: signal.Signals, tmp_path: Path) -> None:
    """The process dies by the signal after everything is written."""
    script = Script(tmp_path, WITH_PARQUET + LOG_A_THOUSAND + "say('ready')\nwait()")
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
def test_a_signal_during_logging(buffer: dict[str, Any], tmp_path: Path) -> None:
    """During a flood of calls, errors included, the process dies promptly and the counts add up."""
    script = Script(
        tmp_path,
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
    assert report["accepted"] == len(events) - 1 + report["dropped"]
    assert report["accepted"] == report["written"] + report["dropped"]
    assert report["sinks/jsonl/accepted"] == report["sinks/jsonl/written"]
    assert finished["duration_s"] < 20


SLOW_SINK = """
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


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_during_shutdown(number: signal.Signals, tmp_path: Path) -> None:
    """A signal during `shutdown()` ends the process after all sinks are closed."""
    script = Script(
        tmp_path, SLOW_SINK + LOG_A_THOUSAND + "logflume.shutdown()\nsay('not reached')"
    )
    assert "closing" == script.line()
    script.process.send_signal(number)

    assert ["closed", ""] == [script.line(), script.line()]
    assert -number == script.end()[0]
    script.check_whole(1_000, "finished")


def test_sigint(tmp_path: Path) -> None:
    """Ctrl-C raises `KeyboardInterrupt`, the exit status is Python's, the run is interrupted."""
    script = Script(tmp_path, WITH_PARQUET + LOG_A_THOUSAND + "say('ready')\nwait()")
    assert "ready" == script.line()
    script.process.send_signal(signal.SIGINT)
    code, errors = script.end()

    assert -signal.SIGINT == code
    assert errors.endswith("KeyboardInterrupt\n")
    script.check_whole(1_000, "interrupted")


def test_an_existing_handler(tmp_path: Path) -> None:
    """An existing signal handler is kept and called."""
    script = Script(
        tmp_path,
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n"
        + LOG_A_THOUSAND
        + "say('ready')\nwait()",
    )
    assert "ready" == script.line()
    script.process.send_signal(signal.SIGTERM)

    assert (7, "") == script.end()
    script.check_whole(1_000, "finished")


def test_an_ignored_signal(tmp_path: Path) -> None:
    """Under `nohup`, SIGHUP stays ignored."""
    script = Script(
        tmp_path,
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        + LOG_A_THOUSAND
        + "os.kill(os.getpid(), signal.SIGHUP)",
    )

    assert (0, "") == script.end()
    script.check_whole(1_000, "finished")
