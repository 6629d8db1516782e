"""Values that raise exceptions when they are used, and a strict reader of the journal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from logflume.sinks.jsonl import JsonlSink


class Angry:
    """Raises an error in each of its special methods."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __str__(self) -> str:
        raise self.error

    __repr__ = __hash__ = __len__ = __iter__ = __str__  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        raise self.error


class OddDict(dict[Any, Any]):
    """A dict that raises when its items are read."""

    def items(self) -> Any:
        raise RuntimeError("no items")


class OddFloat(float):
    """A float that raises when it is converted."""

    def __float__(self) -> float:
        raise RuntimeError("no float")


class OddName(str):
    """A str that raises when it is converted."""

    __slots__ = ()

    def __str__(self) -> str:
        raise RuntimeError("no text")


class Swearing(BaseException):
    """An error that isn't an `Exception`; it must not reach the caller, either."""


def strict_json(line: str) -> Any:
    """Parse JSON as specified in RFC 8259, without NaN and Infinity."""

    def reject(name: str) -> None:
        raise ValueError(name)

    return json.loads(line, parse_constant=reject)


def through_journal(events: list[Any], folder: Path) -> list[Any]:
    """Write events to a journal and return what is read back."""
    path = folder / "events.jsonl"
    sink = JsonlSink(path)
    sink.write(events)
    sink.close()
    return [strict_json(line) for line in path.read_text().split("\n")[:-1]]
