"""docs/diagnosis.md: its table says what the detectors say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from logflume.diagnosis.detectors import DETECTORS
from logflume.diagnosis.resume import RewardRescaled
from logflume.diagnosis.slow_rank import SlowRank

PAGE = Path(__file__).parents[2] / "docs" / "diagnosis.md"


def table() -> str:
    """Return the table of the page, as Markdown."""
    signals: list[Any] = [*DETECTORS, SlowRank, RewardRescaled]
    rows = ["| signal | means | likely cause | what to try |", "|---|---|---|---|"]
    rows += [
        f"| `{one.signal}` | {one.meaning} | {one.cause} | {one.try_next} |" for one in signals
    ]
    return "\n".join(rows)


def test_the_table_is_that_of_the_detectors() -> None:
    """Each detector has its row, with its own words. To update the page, print `table()`."""
    assert table() in PAGE.read_text(encoding="utf-8")


def test_the_evidence_of_each_signal() -> None:
    """The page has a section that says what each signal compares, and cites its literature."""
    text = PAGE.read_text(encoding="utf-8")
    for detector in DETECTORS:
        assert f"**`{detector.signal}`**" in text
        assert detector.literature in text
