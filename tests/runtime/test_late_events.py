"""Events that are logged while the interpreter ends: written, or counted on standard error."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.scripts import START, Script

pytestmark = pytest.mark.usefixtures("each_worker")

LATE = "logflume: 1 event was logged after the end of the run and not written\n"

LOGS_WHEN_DELETED = """
import logflume

class Late:
    def __del__(self):
        logflume.get_logger().info("x", number=-1, text="late")
"""


def test_exit_handlers_registered_before_initialize(tmp_path: Path) -> None:
    """Their events are written."""
    script = Script(
        tmp_path,
        """
        import atexit
        atexit.register(lambda: log.info("x", number=1))
        start()
        log.info("x", number=0)
        """,
    )
    assert (0, "") == script.end()
    script.check_whole(2, "finished")


def test_exit_handlers_registered_before_the_import(tmp_path: Path) -> None:
    """Their events come after the end of the run and are counted."""
    handler = "lambda: log.info('x', number=-1)"
    path = tmp_path / "script.py"
    path.write_text(f"import atexit\natexit.register({handler})\n{START}\nstart()")
    command = [sys.executable, str(path), str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert LATE == ended.stderr


@pytest.mark.parametrize("is_imported", [False, True], ids=["script", "module"])
def test_global_objects(is_imported: bool, tmp_path: Path) -> None:
    """Events of a global object's `__del__` at the end are counted."""
    (tmp_path / "late.py").write_text(f"{LOGS_WHEN_DELETED}\nlate = Late()")
    script = Script(
        tmp_path,
        ("import late\n" if is_imported else f"{LOGS_WHEN_DELETED}\nlate = Late()\n")
        + "start()\nlog.info('x', number=0)\n",
    )
    assert (0, LATE) == script.end()
    script.check_whole(1, "finished")


def test_many_late_events(tmp_path: Path) -> None:
    """Ever more events print ever fewer lines."""
    script = Script(
        tmp_path, f"{LOGS_WHEN_DELETED}\nlate = [Late() for _ in range(1_000)]\nstart()\n"
    )
    code, errors = script.end()
    assert 0 == code
    lines = errors.splitlines()
    assert "logflume: 1000 events were logged after the end of the run and not written" == lines[-1]
    assert 10 + 9 + 9 == len(lines)


def test_without_initialize(tmp_path: Path) -> None:
    """Events logged without `initialize()` are reported by one line at the end."""
    script = Script(tmp_path, "for number in range(9): log.info('x', number=number)\n")
    expected = "logflume: 9 events were not written: no run was open (see initialize())\n"
    assert (0, expected) == script.end()


NO_RUN = "logflume: no run is open, so nothing is recorded: call logflume.initialize() before "


def test_more_than_is_kept(tmp_path: Path) -> None:
    """When no more can be kept for `initialize()`, the line comes at once, and not again."""
    script = Script(
        tmp_path,
        """
        for number in range(10_000): log.info("x", number=number)
        sys.stderr.write("full\\n")
        for number in range(9): log.info("x", number=number)
        sys.stderr.write("end\\n")
        """,
    )
    code, errors = script.end()
    first, line, last = errors.splitlines()

    assert (0, "full", "end") == (code, first, last)
    assert line.startswith(NO_RUN)


def test_importing_says_nothing(tmp_path: Path) -> None:
    """Creating loggers and setting steps without logging anything prints nothing."""
    assert (0, "") == Script(tmp_path, "log.bind(a=1)\nlogflume.set_step(1)\n").end()


def test_a_second_initialize(tmp_path: Path) -> None:
    """Closing a run that goes on is said in one line; one that has ended is not mentioned."""
    script = Script(
        tmp_path, "start()\nstart()\nlogflume.shutdown()\nstart()\nlog.info('x', number=0)\n"
    )

    assert (0, "logflume: initialize() was called again: closing the run r\n") == script.end()


def test_an_exception_after_the_run(tmp_path: Path) -> None:
    """An uncaught exception after `shutdown()` belongs to no run, and adds no line."""
    script = Script(tmp_path, "start()\nlogflume.shutdown()\nraise ValueError('later')\n")
    code, errors = script.end()

    assert 1 == code
    assert errors.endswith("ValueError: later\n")
    assert not [e for e in script.events() if e["event"] == "exception"]
