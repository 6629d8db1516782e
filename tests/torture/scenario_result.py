"""The result of a torture scenario: exact counts, and every guarantee that was violated."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from time import perf_counter
from typing import Any

__all__ = ["CallTimer", "ScenarioResult"]

MAX_VIOLATIONS = 20


@dataclass
class ScenarioResult:
    """The counts of one scenario.

    Attributes:
        kills: Processes killed whose run was complete afterwards and could be continued.
        faults: Faults injected: failed calls, full disks, signals, full buffers.
        checked: Events looked up in a sink's files, counted once for each sink.
        ends: Ends of a run whose counts were compared with its files.
        lost: Events that were guaranteed but missing.
        uncounted: Events missing from the journal that no report counts as dropped.
        twice: Events that are in a run's journals more than once.
        elsewhere: Events that are in the journal of another run than the one they were logged to.
        longest_call_ms: The duration of the longest log call.
        oldest_lost_ms: The age, at the kill, of the oldest event that a kill destroyed. Such
            events may be lost if they are recent enough.
        violations: The guarantees that did not hold.
        skipped: What could not be tested on this machine, and why.
    """

    kills: int = 0
    faults: int = 0
    checked: int = 0
    ends: int = 0
    lost: int = 0
    uncounted: int = 0
    twice: int = 0
    elsewhere: int = 0
    longest_call_ms: float = 0.0
    oldest_lost_ms: float = 0.0
    violations: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def expect(self, expected: Any, actual: Any, what: str) -> bool:
        """Add a violation unless the two are equal; return whether they are."""
        return expected == actual or self.require(False, f"{what}: {_difference(expected, actual)}")

    def require(self, holds: bool, what: str) -> bool:
        """Add a violation unless the condition holds; return whether it does."""
        if not holds and len(self.violations) < MAX_VIOLATIONS:
            self.violations.append(what[:500])
        return holds

    def merge(self, other: ScenarioResult) -> None:
        """Add the counts and lists of another result; of the durations keep the maximum."""
        for name in (f.name for f in fields(self)):
            mine, theirs = getattr(self, name), getattr(other, name)
            setattr(self, name, max(mine, theirs) if name.endswith("_ms") else mine + theirs)


def _difference(expected: Any, actual: Any) -> str:
    if not isinstance(expected, list) or not isinstance(actual, list) or len(expected) < 10:
        return f"expected {expected!r}, found {actual!r}"
    missing = [item for item in expected if item not in actual][:5]
    surplus = [item for item in actual if item not in expected][:5]
    return f"expected {len(expected)}, found {len(actual)}; missing {missing}, unexpected {surplus}"


class CallTimer:
    """Times the log calls of one thread.

    Attributes:
        longest_s: The duration of the longest call.
        calls: How many calls were timed.
    """

    def __init__(self) -> None:
        self.longest_s = 0.0
        self.calls = 0

    @contextmanager
    def time_call(self) -> Iterator[None]:
        """Time the block as one call."""
        start_s = perf_counter()
        yield
        self.longest_s = max(self.longest_s, perf_counter() - start_s)
        self.calls += 1
