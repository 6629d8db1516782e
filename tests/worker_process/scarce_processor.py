"""A processor that lacks memory once, for the tests of the worker process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = ["ScarceProcessor"]


class ScarceProcessor:
    """Raises `MemoryError` at one event, and never again.

    Args:
        mark: A file that is made when it does.
        number: The `number` of the event.
    """

    detachable = True

    def __init__(self, mark: str, number: int) -> None:
        self._mark = Path(mark)
        self._number = number

    def __call__(self, _logger: Any, _method_name: str, event_dict: Any) -> Any:
        if event_dict.get("number") == self._number and not self._mark.exists():
            self._mark.touch()
            raise MemoryError
        return event_dict
