"""Python's warnings, logged as events."""

from __future__ import annotations

import logging
import warnings
from typing import Any

import pytest

from logflume.testing import capture_events
from tests.event_helpers import only, own

CAPTURED: dict[str, Any] = {"stdlib": {"warnings": True}}


def test_warnings() -> None:
    """Warnings are events of the logger `py.warnings` and are no longer printed."""
    with capture_events(**CAPTURED) as events:
        warnings.warn("Something is deprecated", FutureWarning, stacklevel=1)

    event = only(events)
    assert ("py.warnings", "warning") == (event["logger"], event["level"])
    assert "FutureWarning: Something is deprecated" in event["message"]


def test_warnings_can_be_left_alone() -> None:
    """With `warnings: false`, warnings are handled as before."""
    with capture_events(stdlib={"warnings": False}) as events, pytest.warns(FutureWarning):
        warnings.warn("Something is deprecated", FutureWarning, stacklevel=1)

    assert [] == own(events)


def test_existing_capture_of_warnings() -> None:
    """If the program has called `captureWarnings` itself, its setting is kept."""
    logging.captureWarnings(True)
    captured = warnings.showwarning
    try:
        with capture_events(**CAPTURED):
            pass
        assert captured is warnings.showwarning
    finally:
        logging.captureWarnings(False)
