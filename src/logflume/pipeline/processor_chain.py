"""The processor chain: the configured processors, in order, each guarded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeGuard

import structlog

from logflume.guard import Failure, call_guarded
from logflume.pipeline.faults import Report, describe_at
from logflume.protocols import ClosableProcessor, ColumnProcessor, Processor
from logflume.values.columnar import rows
from logflume.values.steps import place_of

__all__ = ["ProcessorChain"]


class _LoggerName(str):
    """The name of a logger, with what structlog's processors use of a standard-library logger."""

    __slots__ = ()

    disabled = False

    @property
    def name(self) -> str:
        """The name."""
        return str(self)

    def getEffectiveLevel(self) -> int:  # noqa: N802 - named as in Python's logging
        """Return 0: the level of the call was already checked."""
        return 0


class _Step(NamedTuple):
    """A processor of the chain, its name, and the event types it handles; None: all."""

    name: str
    process: Processor
    event_types: frozenset[str] | None


class ProcessorChain:
    """Runs events through the processors.

    If a processor raises, the fault is counted, the first one is reported, and the event continues
    unchanged to the next processor. A processor is called only for the event types in its
    `event_types`; see `logflume.protocols.Processor`.

    Args:
        processors: The processors, in order, each after its name in the configuration.
        report: Called on a processor's first fault.

    Attributes:
        failed: Number of calls that raised, by processor name.
    """

    def __init__(self, processors: Sequence[tuple[str, Processor]], report: Report) -> None:
        self.failed: Counter[str] = Counter()
        self._steps = [_make_step(*pair) for pair in processors]
        self._report = report

    def run(
        self, event_dict: dict[str, Any], logger: Any = None, method_name: str | None = None
    ) -> dict[str, Any] | None:
        """Return the event after all processors; None if one dropped it.

        Args:
            event_dict: The event.
            logger: The logger that processors get; by default the one named in the event.
            method_name: The name of the logger's method; by default the event's level.
        """
        return self._run(event_dict, self._steps, logger, method_name)

    def run_in_caller(
        self, logger: Any, method_name: str, event_dict: dict[str, Any]
    ) -> dict[str, Any]:
        """Run the chain as one processor of structlog.

        Raises:
            structlog.DropEvent: A processor dropped the event.
        """
        processed = self.run(event_dict, logger, method_name)
        if processed is None:
            raise structlog.DropEvent
        return processed

    def takes_columns(self, event_type: str) -> bool:
        """Whether every processor that is called for an event type takes columns."""
        return all(
            isinstance(step.process, ColumnProcessor)
            for step in self._steps
            if step.event_types is None or event_type in step.event_types
        )

    def run_columns(
        self, columns: dict[str, Sequence[Any]]
    ) -> dict[str, Sequence[Any]] | list[dict[str, Any]]:
        """Return event dicts, given by column, after all processors.

        The result is a list of event dicts, without dropped ones, if a processor needs them one by
        one.
        """
        for index, step in enumerate(self._steps):
            if step.event_types is not None and columns["event"][0] not in step.event_types:
                continue
            # A copy, so that changes made by a processor before it raises are discarded.
            result = call_guarded(step.process.process_columns, columns.copy())  # type: ignore[attr-defined]
            if not _are_columns(result):
                results = [self._run(fields, self._steps[index:]) for fields in rows(columns)]
                return [fields for fields in results if fields is not None]
            columns = result
        return columns

    def close(self) -> list[dict[str, Any]]:
        """Close the processors in order and return the events they held back.

        These events run through the rest of the chain.
        """
        finished: list[dict[str, Any]] = []
        for index, (name, process, *_) in enumerate(self._steps):
            if not isinstance(process, ClosableProcessor):
                continue
            held = call_guarded(_close, process)
            if isinstance(held, Failure):
                self._count(name, held, {})
                continue
            rest = self._steps[index + 1 :]
            results = [self._run(event_dict, rest) for event_dict in held]
            finished += [result for result in results if result is not None]
        return finished

    def _run(
        self,
        event_dict: dict[str, Any],
        steps: Sequence[_Step],
        logger: Any = None,
        method_name: str | None = None,
    ) -> dict[str, Any] | None:
        logger = logger or _LoggerName(event_dict.get("logger"))
        for step in steps:
            name, process, event_types = step
            if event_types is not None and _has_other_type(event_dict, event_types):
                continue
            # A copy, so that changes made by a processor before it raises are discarded.
            result = call_guarded(
                process,
                logger,
                method_name or event_dict.get("level", "info"),
                event_dict.copy(),
            )
            if isinstance(result, Failure):
                if isinstance(result.error, structlog.DropEvent):
                    return None
                self._count(name, result, event_dict)
            elif type(result) is dict or isinstance(result, Mapping):
                event_type = event_dict.get("event")
                event_dict = result if type(result) is dict else dict(result)
                if "event" not in event_dict:  # structlog's `EventRenamer`
                    event_dict["event"] = event_type
            else:
                kind = type(result).__name__
                wrong = Failure(TypeError(f"it must return a dict, not {kind}"))
                self._count(name, wrong, event_dict)
        return event_dict

    def _count(self, name: str, failure: Failure, event_dict: Mapping[str, Any]) -> None:
        self.failed[name] += 1
        if self.failed[name] == 1:
            error, place = failure.error, place_of(event_dict)
            self._report(name, "failed", describe_at(error), place=place, error=error)


def _make_step(name: str, process: Processor) -> _Step:
    types = getattr(process, "event_types", None)
    event_types = frozenset(types) if isinstance(types, (set, frozenset, list, tuple)) else None
    return _Step(name, process, event_types)


def _are_columns(result: Any) -> TypeGuard[dict[str, Sequence[Any]]]:
    """Whether a processor returned columns: of one length, and with the event type."""
    if not isinstance(result, dict) or "event" not in result:
        return False
    return len(set(map(len, result.values()))) == 1


def _has_other_type(event_dict: dict[str, Any], event_types: frozenset[str]) -> bool:
    # An earlier processor may have set `event` to a value of any type.
    event_type = event_dict.get("event")
    return type(event_type) is str and event_type not in event_types


def _close(process: ClosableProcessor) -> list[dict[str, Any]]:
    # A processor without held-back events may return None.
    return [dict(event_dict) for event_dict in process.close() or ()]
