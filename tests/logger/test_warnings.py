"""Python's warnings, in the same pipeline."""

from __future__ import annotations

import logging
import warnings
from typing import Any

import pytest

from logflume.testing import capture_events
from tests.event_helpers import only, own

CAPTURED: dict[str, Any] = {"stdlib": {"warnings": True}}


def test_warnings() -> None:
    """Python's warnings are events of the logger `py.warnings`, and are printed no more."""
    with capture_events(**CAPTURED) as events:
        warnings.warn("Something is deprecated", FutureWarning, stacklevel=1)

    event = only(events)
    assert ("py.warnings", "warning") == (event["logger"], event["level"])
    assert "FutureWarning: Something is deprecated" in event["message"]


def test_warnings_that_are_not_wanted() -> None:
    """With `warnings: false` they go where they went before."""
    with capture_events(stdlib={"warnings": False}) as events, pytest.warns(FutureWarning):
        warnings.warn("Something is deprecated", FutureWarning, stacklevel=1)

    assert [] == own(events)


def test_warnings_that_were_captured_before() -> None:
    """A program that has called `captureWarnings` itself finds it as it was, afterwards."""
    logging.captureWarnings(True)
    captured = warnings.showwarning
    try:
        with capture_events(**CAPTURED):
            pass
        assert captured is warnings.showwarning
    finally:
        logging.captureWarnings(False)
