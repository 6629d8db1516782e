"""Ends of a process: all events are written, and exit code and output are unchanged."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

from tests.scripts import LOG_A_THOUSAND, WITH_PARQUET, Script

pytestmark = pytest.mark.usefixtures("each_worker")


def test_the_end_of_the_program(tmp_path: Path) -> None:
    """A program that ends normally leaves a complete run and prints nothing to standard error."""
    script = Script(tmp_path, WITH_PARQUET + LOG_A_THOUSAND)

    assert (0, "") == script.end()
    script.check_whole(1_000, "finished")


def test_an_immediate_end(tmp_path: Path) -> None:
    """A program that ends right after `initialize()` has its first and its last event."""
    script = Script(tmp_path, "start()")

    assert (0, "") == script.end()
    assert ["run_started", "run_finished", "pipeline"] == [e["event"] for e in script.events()]


def test_an_exception(tmp_path: Path) -> None:
    """It is logged with its traceback, the run fails, and it is printed as usual."""
    script = Script(tmp_path, LOG_A_THOUSAND + "raise ValueError('no such column')")
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


def test_the_users_excepthook(tmp_path: Path) -> None:
    """An existing `sys.excepthook` is called too."""
    script = Script(
        tmp_path, "sys.excepthook = lambda *_: say('mine')\n" + LOG_A_THOUSAND + "1 / 0"
    )

    assert "mine" == script.line()
    assert (1, "") == script.end()
    script.check_whole(1_000, "failed")


def test_sys_exit(tmp_path: Path) -> None:
    """`sys.exit(3)` ends the program with code 3, and all events are written."""
    script = Script(tmp_path, LOG_A_THOUSAND + "sys.exit(3)")

    assert (3, "") == script.end()
    script.check_whole(1_000, "finished")


def test_os_exit(tmp_path: Path) -> None:
    """`os._exit` skips all hooks: at most the last interval is missing, and no line is torn."""
    script = Script(
        tmp_path,
        LOG_A_THOUSAND + "logflume.flush()\nlog.info('x', number=1_000)\nos._exit(5)",
    )

    assert (5, "") == script.end()
    assert script.numbers() in (list(range(1_000)), list(range(1_001)))


def test_an_exception_in_a_thread(tmp_path: Path) -> None:
    """It is logged with the thread's name and printed; an existing hook is called."""
    script = Script(
        tmp_path,
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


def test_an_exception_is_printed_once(tmp_path: Path) -> None:
    """Only Python prints the traceback of an uncaught exception; the log file has it, too."""
    script = Script(
        tmp_path,
        """
        config["root"]["sinks"] += ["console", "text"]
        config["sinks"] |= {
            "console": {},
            "text": {"type": "console", "path": "{dir}/{run}/training.log"},
        }
        start()
        thread = threading.Thread(target=lambda: {}["first"])
        thread.start()
        thread.join()
        try:
            int("second")
        except ValueError:
            log.exception("caught")
        raise ValueError("third")
        """,
    )
    code, errors = script.end()

    assert 1 == code
    assert 3 == errors.count("Traceback (most recent call last)")
    assert 1 == errors.count("with base 10: 'second'")
    assert ["Thread-1", "the main thread"] == re.findall(
        r"uncaught in (Thread-1|the main thread)\b.*(?:first|third)", errors
    )
    log = (script.folder / "training.log").read_text()
    assert "KeyError: 'first'" in log
    assert "Error: third" in log


def test_an_exit_with_a_message_is_printed_once(tmp_path: Path) -> None:
    """So is the message of `sys.exit`, also where a `finally` ends the run before."""
    script = Script(
        tmp_path,
        """
        config["root"]["sinks"] += ["console"]
        config["sinks"]["console"] = {}
        start()
        try:
            sys.exit("no data")
        finally:
            logflume.shutdown()
        """,
    )
    code, errors = script.end()

    assert (1, 1) == (code, errors.count("no data"))


@pytest.mark.parametrize("daemon", [True, False])
def test_threads_that_log_during_exit(daemon: bool, tmp_path: Path) -> None:
    """Threads that log while the process ends neither block it nor tear a line."""
    script = Script(
        tmp_path,
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


def test_a_sink_that_hangs(tmp_path: Path) -> None:
    """The process ends within the timeout and prints that the sinks were not done."""
    script = Script(
        tmp_path,
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
    assert "the sinks did not finish in time (see shutdown_timeout_s)" in errors


def test_a_log_call_in_an_exit_handler(tmp_path: Path) -> None:
    """Exit handlers registered after `initialize()` run before ours, so their events are logged."""
    script = Script(
        tmp_path,
        """
        import atexit
        start()
        atexit.register(lambda: log.info("x", number=0))
        """,
    )

    assert (0, "") == script.end()
    script.check_whole(1, "finished")


def test_an_end_during_a_search_for_secrets(tmp_path: Path) -> None:
    """Where a shutdown takes too long, the exit code stays: the search, in C++, isn't cut off."""
    script = Script(
        tmp_path,
        "start(processors=['redact_secrets'], shutdown_timeout_s=0.3)\n"
        "for _ in range(40):\n"
        "    log.info('long: ' + 'password=x ' * 90_000)\n"
        "sys.exit(3)",
    )
    code, errors = script.end()

    assert 3 == code
    assert "terminate" not in errors
