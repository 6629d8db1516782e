"""Scripts without a `__main__` guard, which `multiprocessing` imports again in each process."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.scripts import Script

GUARD = 'below `if __name__ == "__main__":`'


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_a_pool_ends(method: str, tmp_path: Path) -> None:
    """A pool whose processes can't start ends, with one line that says what to do."""
    script = Script(
        tmp_path,
        f"""
        import multiprocessing
        start()
        log.info("x", number=0)
        with multiprocessing.get_context("{method}").Pool(3) as pool:
            pool.map(abs, range(10))
        """,
    )
    code, errors = script.end()

    assert -signal.SIGTERM == code
    (line,) = (line for line in errors.splitlines() if line.startswith("logflume: "))
    assert GUARD in line
    assert "Traceback" not in errors
    assert ["run.json"] == [path.name for path in script.folder.glob("run*")]
    assert {0} == {event["attempt"] for event in script.events()}
    assert "terminated" == script.events()[-2]["status"]


def test_a_process_that_is_spawned(tmp_path: Path) -> None:
    """A single process ends with the same line, and the script goes on."""
    script = Script(
        tmp_path,
        """
        import multiprocessing
        start()
        child = multiprocessing.get_context("spawn").Process(target=abs, args=(1,))
        child.start()
        child.join()
        log.info("x", number=child.exitcode)
        """,
    )
    code, errors = script.end()

    assert (0, [1]) == (code, script.numbers())
    assert 1 == len(errors.splitlines())
    assert GUARD in errors


def test_an_error_that_is_caught(tmp_path: Path) -> None:
    """A script that catches the error can use its pool."""
    script = Script(
        tmp_path,
        """
        import multiprocessing
        try:
            start()
        except logflume.RunError:
            pass
        if __name__ == "__main__":
            with multiprocessing.get_context("spawn").Pool(2) as pool:
                log.info("x", number=sum(pool.map(abs, range(4))))
        """,
    )

    assert (0, "") == script.end()
    assert [6] == script.numbers()
