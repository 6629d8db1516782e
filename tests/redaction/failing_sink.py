"""A sink whose errors have a secret of its configuration."""

from __future__ import annotations

from collections.abc import Sequence

from logflume.protocols import Event


class FailingSink:
    """Fails at each batch."""

    def __init__(self, *, secret: str) -> None:
        self._secret = secret

    def write(self, _events: Sequence[Event]) -> None:
        """Raise."""
        raise OSError(f"no access with password={self._secret}")

    def flush(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""
