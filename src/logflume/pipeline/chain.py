"""The processors, in order, each behind the guard."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import structlog

from logflume.guard import Failure, attempt, describe
from logflume.protocols import ClosableProcessor, Processor
from logflume.values.shapes import MAX_SHAPES, Shape

__all__ = ["Chain", "NamedProcessor"]

Report = Callable[[str, str, str], None]
"""Takes component, status and reason of a fault."""


class NamedProcessor(NamedTuple):
    """A processor and the name it has in the configuration."""

    name: str
    process: Processor


class _Step(NamedTuple):
    name: str
    process: Processor
    event_types: frozenset[str] | None
    reads_only: bool


class _Plan(NamedTuple):
    """What is done with the events of a shape.

    Attributes:
        reading: The steps that only read an event, before any that may change it.
        others: The steps from there on; none if the event stays as it is.
    """

    reading: list[_Step]
    others: list[_Step]


class Chain:
    """Runs events through the processors.

    A processor that raises is counted and reported once; its event goes on without it. Which ones
    an event passes by is told by what they say of themselves: `logflume.protocols.Processor`.

    Args:
        processors: What to run, in order.
        report: Called with (component, status, reason) on a processor's first fault.

    Attributes:
        failed: Calls that raised, by name of the processor.
    """

    def __init__(self, processors: Sequence[NamedProcessor], report: Report) -> None:
        self.failed: Counter[str] = Counter()
        self._steps = [_step(*named) for named in processors]
        self._plan = lru_cache(MAX_SHAPES)(self._make_plan)
        self._report = report

    def run(
        self, event_dict: dict[str, Any], shape: Shape | None = None
    ) -> tuple[dict[str, Any] | None, Shape | None]:
        """Run an event through the whole chain.

        Args:
            event_dict: The event.
            shape: Its shape, if known.

        Returns:
            The event after the chain, None if a processor dropped it; and the shape if it still
            has that.
        """
        if shape is None:
            return self._run(event_dict, self._steps), None
        plan = self._plan(shape)
        for name, process, *_ in plan.reading:
            result = attempt(process, event_dict["logger"], event_dict["level"], event_dict)
            if isinstance(result, Failure):
                self._count(name, result)
        if plan.others:
            return self._run(event_dict, plan.others), None
        return event_dict, shape

    def close(self) -> list[dict[str, Any]]:
        """Close the processors in order; what they held back runs the rest of the chain."""
        finished: list[dict[str, Any]] = []
        for index, (name, process, *_) in enumerate(self._steps):
            if not isinstance(process, ClosableProcessor):
                continue
            held = attempt(_close, process)
            if isinstance(held, Failure):
                self._count(name, held)
                continue
            rest = self._steps[index + 1 :]
            results = [self._run(event_dict, rest) for event_dict in held]
            finished += [result for result in results if result is not None]
        return finished

    def _make_plan(self, shape: Shape) -> _Plan:
        reading: list[_Step] = []
        for index, step in enumerate(self._steps):
            if not _concerns(step, shape):
                continue
            if not step.reads_only:
                return _Plan(reading, self._steps[index:])
            reading.append(step)
        return _Plan(reading, [])

    def _run(self, event_dict: dict[str, Any], steps: Sequence[_Step]) -> dict[str, Any] | None:
        for name, process, event_types, _ in steps:
            if event_types is not None and _has_other_type(event_dict, event_types):
                continue
            # A copy, so that what a processor did before it raised is undone.
            result = attempt(
                process,
                event_dict.get("logger"),
                event_dict.get("level", "info"),
                event_dict.copy(),
            )
            if isinstance(result, Failure):
                if isinstance(result.error, structlog.DropEvent):
                    return None
                self._count(name, result)
            elif type(result) is dict:
                event_dict = result
            elif isinstance(result, Mapping):
                event_dict = dict(result)
            else:
                kind = type(result).__name__
                self._count(name, Failure(TypeError(f"it must return a dict, not {kind}")))
        return event_dict

    def _count(self, name: str, failure: Failure) -> None:
        self.failed[name] += 1
        if self.failed[name] == 1:
            self._report(name, "failed", describe(failure.error))


def _step(name: str, process: Processor) -> _Step:
    types = getattr(process, "event_types", None)
    event_types = frozenset(types) if isinstance(types, (set, frozenset, list, tuple)) else None
    return _Step(name, process, event_types, getattr(process, "reads_only", False) is True)


def _concerns(step: _Step, shape: Shape) -> bool:
    """Whether a processor has something to do for events of a shape; True where it doesn't say."""
    if step.event_types is not None and shape.event_type not in step.event_types:
        return False
    concerns = getattr(step.process, "concerns", None)
    return concerns is None or attempt(concerns, shape.event_type, shape.kinds) is not False


def _has_other_type(event_dict: dict[str, Any], event_types: frozenset[str]) -> bool:
    # What is no text was put there by a processor before, and may be anything.
    event_type = event_dict.get("event")
    return type(event_type) is str and event_type not in event_types


def _close(process: ClosableProcessor) -> list[dict[str, Any]]:
    # One that holds no events has nothing to return.
    return [dict(event_dict) for event_dict in process.close() or ()]
