"""The shortcut of log calls whose events are the calls as they came."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from logflume.pipeline.chain import Chain, Step
from logflume.pipeline.items import Call
from logflume.protocols import Event
from logflume.values.normalise import Normalizer
from logflume.values.shapes import MAX_FIELDS, Limits, Shapes
from logflume.values.unpack import POSITION, header, is_type_name, unpack

__all__ = ["Shortcut"]

_NOWHERE = (None, None)
_HEADER_FIELDS = 4


@dataclass
class _Way:
    """What is left to do for calls of a shape.

    Attributes:
        readers: The processors that want to see their events; None if one may change them.
        limits: Within which their values are taken as they are; None while that isn't known.
    """

    readers: list[Step] | None
    limits: Limits | None = None


class Shortcut:
    """Makes events of log calls, most of them without a look at each of their fields.

    Most calls of a run look like one before: the same type, names and types of values. If no
    processor had anything to change on that one's event, and all of its values were taken as they
    were, then the next one's is put together at once.

    Args:
        chain: What an event runs through.
        normalizer: What finishes and numbers it.
    """

    def __init__(self, chain: Chain, normalizer: Normalizer) -> None:
        self._chain = chain
        self._normalizer = normalizer
        self._ways: Shapes[tuple[Any, ...], _Way] = Shapes()
        self._last_shape: tuple[Any, ...] = ()
        self._last_way = _Way(None)

    def finish(self, call: Call) -> Event | None:
        """Return the finished event; None if a processor dropped it."""
        time_ns, logger, level, event_type, context, fields, position = call
        shape = (
            event_type,
            type(logger),
            tuple(context),
            tuple(fields),
            tuple(map(type, context.values())),
            tuple(map(type, fields.values())),
            position == _NOWHERE,
        )
        # Two tuples that are the same are faster compared than found in a dict.
        if shape != self._last_shape:
            self._last_way = self._find_way(call, shape)
            self._last_shape = shape
        way = self._last_way
        if way.limits is not None:
            start = header(time_ns, level, logger, event_type)
            taken = self._normalizer.take(way.limits, start, context, fields)
            if taken is not None:
                if way.readers:
                    self._chain.let_read(taken, way.readers)
                return taken
        return self._finish_at_length(call, way)

    def _find_way(self, call: Call, shape: tuple[Any, ...]) -> _Way:
        way = self._ways.get(shape)
        if way is not None:
            return way
        # Messages are as many as there are texts, and what is kept must not grow large.
        *_, event_type, context, fields, _ = call
        if not is_type_name(event_type) or len(context) + len(fields) > MAX_FIELDS:
            return _Way(None)
        way = _Way(self._find_readers(call))
        self._ways.note(shape, way)
        return way

    def _finish_at_length(self, call: Call, way: _Way) -> Event | None:
        event_dict = self._chain.run(unpack(call))
        if event_dict is None:
            return None
        event = self._normalizer.finish(event_dict)
        if way.readers is not None and way.limits is None:
            way.limits = self._normalizer.find_limits(_as_it_came(call), event)
        return event

    def _find_readers(self, call: Call) -> list[Step] | None:
        *_, event_type, context, fields, position = call
        kinds = {name: type(value) for name, value in _as_it_came(call).items()}
        if len(kinds) < _HEADER_FIELDS + len(context) + len(fields):
            return None  # a name is there twice
        kinds[POSITION] = type(None) if position == _NOWHERE else type(position)
        return self._chain.find_readers(event_type, kinds)


def _as_it_came(call: Call) -> dict[str, Any]:
    time_ns, logger, level, event_type, context, fields, _ = call
    return {**header(time_ns, level, logger, event_type), **context, **fields}
