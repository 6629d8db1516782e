"""Ends that bypass all hooks: `os._exit`, and fatal errors in C code."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scripts import Script

pytestmark = pytest.mark.usefixtures("each_worker")

INTERVAL_S = 0.05
ONE_WRITE_S = 0.5
"""A write takes about a millisecond; the rest is a margin for a busy machine."""


@pytest.mark.parametrize(
    ("end", "code"),
    [("os._exit(7)", 7), ("ctypes.string_at(0)", -11), ("os.abort()", -6)],
    ids=["os._exit", "segmentation fault", "abort"],
)
def test_a_sudden_end_loses_at_most_an_interval(end: str, code: int, tmp_path: Path) -> None:
    """The journal is complete up to the last interval before the end, without a torn line."""
    script = Script(
        tmp_path,
        f"""
        import ctypes
        start()
        started_s, number = time.monotonic(), 0
        while time.monotonic() < started_s + 3 * {ONE_WRITE_S}:
            log.info("x", number=number, at_s=time.monotonic())
            number += 1
            time.sleep(0.001)
        say(number)
        say(time.monotonic())
        {end}
        """,
    )
    logged, ended_s = int(script.line()), float(script.line())
    assert code == script.end()[0]
    recorded = [event for event in script.events() if event["event"] == "x"]
    assert list(range(len(recorded))) == [event["number"] for event in recorded]
    # Missing events are more recent than recorded ones.
    assert len(recorded) <= logged
    assert recorded[-1]["at_s"] > ended_s - INTERVAL_S - ONE_WRITE_S
