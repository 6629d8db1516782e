"""docs/diagnosis.md: its table and its sections say what the detectors say."""

from __future__ import annotations

from tests.diagnosis.signals_page import PAGE, with_signals


def test_the_page_says_what_the_detectors_say() -> None:
    """To update the page, run `python -m tests.diagnosis.signals_page`."""
    page = PAGE.read_text(encoding="utf-8")
    assert with_signals(page) == page
