"""What TensorBoard shows for one step, collected until the step is over."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from logflume.protocols import Event, Position
from logflume.values.aggregates import aggregate
from logflume.values.kinds import HISTOGRAM_TYPES, SCALAR_TYPES

from .visuals import Visual

__all__ = ["MAX_EVENTS", "MAX_VISUAL_BYTES", "OpenStep", "Shown"]

_MAIN_PREFIXES = {"eval/reward": "eval"}
"""The prefixes of events whose `rewards/...` have the tags of events with another prefix.

The latter are the trainer's own: a step of an evaluation has both its report and its `reward`
events.
"""

MAX_EVENTS = 10_000
"""Number of events of one step after which they are written, to limit the memory."""

MAX_VISUAL_BYTES = 2**26
"""Size of the images, histograms and tables of one step after which it is written."""

MAX_IMAGES = 4
"""Images shown of one field in one step."""


class Shown(NamedTuple):
    """What is shown for an event, or for several as one.

    Attributes:
        timestamp: The time of the last event.
        summary: Serialized values of a `Summary`.
    """

    timestamp: str
    summary: bytes


@dataclass
class OpenStep:
    """The events of the current step, some of which are not written yet.

    Curves have one point for each step, so the numbers of its events are merged. If a point has to
    be written before the step is over and more events follow, the later point is that of all
    events.

    Attributes:
        seqs: The `seq` of each event that is in no record yet.
        position: Position of the last event.
        visual_bytes: Size of the images, histograms and tables that are in no record yet.
    """

    seqs: list[int] = field(default_factory=list)
    position: Position = (0, 0)
    _events: dict[str, list[Event]] = field(default_factory=dict)
    _curves: dict[str, Shown] = field(default_factory=dict)
    _others: list[Shown] = field(default_factory=list)
    _visuals: dict[str, Shown] = field(default_factory=dict)
    visual_bytes: int = 0

    @property
    def unwritten(self) -> int:
        """Number of events that are in no record yet."""
        return len(self.seqs)

    def numbers(self) -> Iterator[tuple[Event, str]]:
        """Yield the numbers of the step: the event, and the name of the field."""
        for events in self._events.values():
            for event in events:
                for name, value in event.items():
                    if type(value) in SCALAR_TYPES:
                        yield event, name

    def copy(self) -> OpenStep:
        """Return a copy to add to, which leaves this one unchanged."""
        events = {tag: list(some) for tag, some in self._events.items()}
        curves, others = dict(self._curves), list(self._others)
        copied = replace(self, seqs=[*self.seqs], _events=events, _curves=curves, _others=others)
        copied._visuals = dict(self._visuals)
        return copied

    def add_numbers(self, tag: str, event: Event, summary: bytes) -> None:
        """Add an event whose numbers are points of the curves with this prefix of their tags."""
        self._events.setdefault(tag, []).append(event)
        self._curves[tag] = self._note(event, summary)

    def add(self, event: Event, summary: bytes) -> None:
        """Add an event that is shown on its own."""
        self._others.append(self._note(event, summary))

    def add_visuals(self, event: Event, visuals: Iterable[Visual], is_added: bool) -> None:
        """Add the visuals of an event: the last one of each tag, and the first images of a step.

        Args:
            event: The event.
            visuals: Its visuals.
            is_added: Whether the event was added for its numbers.
        """
        if not is_added:
            self._others.append(self._note(event, b""))
        for visual in visuals:
            tags = [visual.tag]
            if visual.is_image:
                tags += [f"{visual.tag}/{number}" for number in range(1, MAX_IMAGES)]
                tags = [tag for tag in tags if tag not in self._visuals][:1]
            for tag in tags:
                summary = visual.encode(tag)
                if summary:
                    self._visuals[tag] = Shown(event["timestamp"], summary)
                    self.visual_bytes += len(summary)

    def take(self, encode: Callable[[Event], bytes]) -> Iterator[Shown]:
        """Yield what is not written yet, and mark it as written.

        Args:
            encode: Returns the values of an event, serialized.
        """
        for tag, shown in self._curves.items():
            events, taken = self._events[tag], self._names_of_the_main(tag)
            if len(events) == 1 and taken.isdisjoint(events[0]):
                yield shown
            else:
                merged = {n: v for n, v in _merge(events).items() if n not in taken}
                yield shown._replace(summary=encode(merged))
        yield from self._visuals.values()
        yield from self._others
        self.seqs = []
        self._visuals.clear()
        self.visual_bytes = 0
        self._curves.clear()
        self._others.clear()

    def _names_of_the_main(self, tag: str) -> set[str]:
        """Return the names whose tags have the numbers of other events of the step."""
        main = self._events.get(_MAIN_PREFIXES.get(tag, ""), ())
        return {
            name
            for event in main
            for name, value in event.items()
            if name.startswith("rewards/") and type(value) in SCALAR_TYPES
        }

    def _note(self, event: Event, summary: bytes) -> Shown:
        self.position = event.get("attempt", 0), event.get("seq", 0)
        self.seqs.append(self.position[1])
        return Shown(event["timestamp"], summary)


def _merge(events: Sequence[Event]) -> Event:
    """Return one event with the aggregate of each number, and with the joined lists.

    Args:
        events: Events of one type, in order.
    """
    merged = dict(events[0])
    event_type = merged["event"]
    for name in dict.fromkeys(name for event in events for name in event):
        values = [value for event in events if (value := event.get(name)) is not None]
        kinds = set(map(type, values))
        if kinds and SCALAR_TYPES.issuperset(kinds):
            merged[name] = aggregate(event_type, name, events)
        elif kinds and HISTOGRAM_TYPES.issuperset(kinds):
            merged[name] = [item for value in values for item in value]
    return merged
