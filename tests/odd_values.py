"""Values that nobody should log, and somebody will; and the strictest reader of the journal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from logflume.sinks.jsonl import JsonlSink


class Angry:
    """Raises whatever one does with it."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __str__(self) -> str:
        raise self.error

    __repr__ = __hash__ = __len__ = __iter__ = __str__  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        raise self.error


class OddDict(dict[Any, Any]):
    """Raises when its items are read."""

    def items(self) -> Any:
        raise RuntimeError("no items")


class OddFloat(float):
    """Raises when it is converted."""

    def __float__(self) -> float:
        raise RuntimeError("no float")


class OddName(str):
    """Raises when it is converted."""

    __slots__ = ()

    def __str__(self) -> str:
        raise RuntimeError("no text")


class Swearing(BaseException):
    """What is no `Exception` must not get through, either."""


def strict_json(line: str) -> Any:
    """Read JSON as RFC 8259 has it: no NaN."""

    def refuse(name: str) -> None:
        raise ValueError(name)

    return json.loads(line, parse_constant=refuse)


def through_journal(events: list[Any], folder: Path) -> list[Any]:
    """Write the events to a journal and read it back."""
    path = folder / "events.jsonl"
    sink = JsonlSink(path)
    sink.write(events)
    sink.close()
    return [strict_json(line) for line in path.read_text().split("\n")[:-1]]
