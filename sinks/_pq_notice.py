"""What the Parquet sink has to say to people."""

from __future__ import annotations

__all__ = ["warn"]


def warn(text: str) -> None:
    """Log a warning as an event of logger `system`."""
    # Imported late: the package's own names need not exist yet when this module is imported.
    from logflume import get_logger

    get_logger("system").warning(text)
