"""Ends that nobody is told of: `os._exit`, and a fatal error in C code."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scripts import Script

pytestmark = pytest.mark.usefixtures("each_worker")

INTERVAL_S = 0.05
ONE_WRITE_S = 0.5
"""A write takes a millisecond or so; the rest is for a busy machine."""


@pytest.mark.parametrize(
    ("end", "code"),
    [("os._exit(7)", 7), ("ctypes.string_at(0)", -11), ("os.abort()", -6)],
    ids=["os._exit", "segmentation fault", "abort"],
)
def test_a_sudden_end_loses_an_interval_at_most(end: str, code: int, tmp_path: Path) -> None:
    """The journal is whole up to the last interval before the end, and has no torn line."""
    script = Script(
        tmp_path,
        f"""
        import ctypes
        start()
        begun_s, number = time.monotonic(), 0
        while time.monotonic() < begun_s + 3 * {ONE_WRITE_S}:
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
    # Whatever is missing was logged after what is there.
    assert len(recorded) <= logged
    assert recorded[-1]["at_s"] > ended_s - INTERVAL_S - ONE_WRITE_S
