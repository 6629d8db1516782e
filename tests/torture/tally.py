"""What a torture has seen, in true counts, and every promise that was broken."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from time import perf_counter
from typing import Any

__all__ = ["Tally", "Watch"]

MOST_TOLD = 20


@dataclass
class Tally:
    """Counts of one scenario.

    Attributes:
        kills: Processes killed whose run was whole afterwards, and could be opened again.
        faults: Faults injected: failed calls, full disks, signals, full buffers.
        checked: Events that were looked for in an output, once for each output.
        lost: Events that were not there although they were promised.
        longest_call_ms: The longest that a log call took.
        oldest_lost_ms: Age at the kill of the oldest event that a kill took, which may be lost.
        broken: What was promised and did not hold.
        notes: What could not be tried here, and why.
    """

    kills: int = 0
    faults: int = 0
    checked: int = 0
    lost: int = 0
    longest_call_ms: float = 0.0
    oldest_lost_ms: float = 0.0
    broken: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def expect(self, expected: Any, actual: Any, what: str) -> bool:
        """Note a broken promise unless the two are equal; return whether they are."""
        return expected == actual or self.claim(False, f"{what}: {_difference(expected, actual)}")

    def claim(self, holds: bool, what: str) -> bool:
        """Note a broken promise unless it holds; return whether it does."""
        if not holds and len(self.broken) < MOST_TOLD:
            self.broken.append(what[:500])
        return holds

    def add(self, other: Tally) -> None:
        """Take up what another one has seen: counts add up, the longest of all stays."""
        for name in (f.name for f in fields(self)):
            mine, theirs = getattr(self, name), getattr(other, name)
            setattr(self, name, max(mine, theirs) if name.endswith("_ms") else mine + theirs)


def _difference(expected: Any, actual: Any) -> str:
    if not isinstance(expected, list) or not isinstance(actual, list) or len(expected) < 10:
        return f"expected {expected!r}, found {actual!r}"
    missing = [item for item in expected if item not in actual][:5]
    strange = [item for item in actual if item not in expected][:5]
    return f"expected {len(expected)}, found {len(actual)}; missing {missing}, strange {strange}"


class Watch:
    """Times the calls of one thread."""

    def __init__(self) -> None:
        self.longest_s = 0.0
        self.calls = 0

    @contextmanager
    def call(self) -> Iterator[None]:
        """Time one call."""
        start_s = perf_counter()
        yield
        self.longest_s = max(self.longest_s, perf_counter() - start_s)
        self.calls += 1
