"""The errors of `initialize()` for bad configurations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import logflume

__all__ = ["error_in_file", "error_of"]


def error_of(source: Any, **options: Any) -> str:
    """Return the message of the error from `initialize()`, and check that nothing is written."""
    with pytest.raises(logflume.ConfigError) as raised:
        logflume.initialize(source, **options)
    assert not Path("logs").exists()
    return str(raised.value)


def error_in_file(content: str | bytes) -> str:
    """Return the message of the error for a file with this content."""
    Path("my.yaml").write_bytes(content.encode() if isinstance(content, str) else content)
    return error_of("my.yaml")
