"""Encodes events as the records of an event file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from struct import Struct
from typing import NamedTuple

from tensorboard.compat.proto.event_pb2 import Event as EventProto
from tensorboard.compat.proto.event_pb2 import SessionLog

from logflume.formats.tfevents import (
    LastEvent,
    float32,
    frame,
    position_field,
    scalar_head,
    summary_event,
)
from logflume.protocols import Event
from logflume.values.columnar import getter
from logflume.values.kinds import HISTOGRAM_TYPES, SCALAR_TYPES
from logflume.values.plain import are_floats

from .hparams import session_end, session_start
from .markdown import completion_markdown
from .panels import layout
from .summaries import histogram, text
from .tags import mode_tag, tag_of

__all__ = ["Encoder", "pack_scalars"]


@dataclass
class Encoder:
    """Encodes events one after another, and keeps the state that later records depend on.

    The curves of an attempt begin with `SessionLog.START` at its first step: readers then drop
    the points of earlier attempts from that step on. The first attempt has one too, at step 0,
    because TensorBoard's Python reader doesn't take the first one in a folder for a restart.
    Until a continued run knows its step, its curves and texts are left out, since at step 0 they
    would make the curves zigzag.

    Events of an earlier attempt, added by the catch-up, come first and belong to its curves.

    Args:
        run_id: Id of the run.
        texts_per_step: Maximum number of completions shown for a step and mode.
        attempt: The attempt of the next event, as far as it is known.
    """

    run_id: str
    texts_per_step: int
    attempt: int
    _step: int | None = None
    _started: bool = False
    _has_session: bool = False
    _texts: dict[str | None, tuple[int | None, int]] = field(default_factory=dict)

    def copy(self) -> Encoder:
        """Return a copy to encode further events with, which leaves this encoder unchanged."""
        return replace(self, _texts=dict(self._texts))

    def after(self, last: LastEvent) -> Encoder:
        """Return an encoder that continues where an earlier process stopped."""
        return replace(self, attempt=last.attempt, _step=last.step, _started=True)

    def records(self, event: Event) -> bytes:
        """Return the records of an event; empty if TensorBoard has nothing to show for it."""
        wall_time_s = datetime.fromisoformat(event["timestamp"]).timestamp()
        attempt = event.get("attempt", self.attempt)
        if attempt != self.attempt:
            self.attempt, self._step, self._started = attempt, None, False
        if event["step"] is not None:
            self._step = event["step"]
        summary = self._summary(event, wall_time_s)
        if not summary:
            return b""
        step = self._step or 0
        if not self.knows_step:
            return frame(summary_event(wall_time_s, step, summary))
        # Only records after the start get a mark: a mark implies that the start is written.
        end = position_field(attempt, event.get("seq", 0))
        record = frame(summary_event(wall_time_s, step, summary, end))
        if self._started:
            return record
        self._started = True
        return _start(wall_time_s, step if self.attempt else 0) + record

    @property
    def knows_step(self) -> bool:
        """Whether events are shown, and their records have a position."""
        return self._step is not None or self.attempt == 0

    def _summary(self, event: Event, wall_time_s: float) -> bytes:
        event_type = event["event"]
        if event_type == "run_started":
            summary = session_start(event, self.run_id, wall_time_s)
            self._has_session = self._has_session or bool(summary)
            return summary
        if event_type == "run_finished":
            return session_end(event, wall_time_s) if self._has_session else b""
        if not self.knows_step:
            return b""
        return self._text(event) if event_type == "model_output" else _curves(event)

    def _text(self, event: Event) -> bytes:
        mode = event.get("mode")
        last_step, count = self._texts.get(mode, (self._step, 0))
        index = count if last_step == self._step else 0
        if index >= self.texts_per_step:
            return b""
        self._texts[mode] = (self._step, index + 1)
        return text(mode_tag(mode, f"model_output/{index}"), "text", completion_markdown(event))


def _curves(event: Event) -> bytes:
    """Return the scalars of an event and the histograms of its rewards as one `Summary`."""
    if event["event"] != "reward":
        try:
            return pack_scalars(event)
        except OverflowError:
            pass  # encode one value at a time instead
    event_type, mode = event["event"], event.get("mode")
    values = []
    for name, value in event.items():
        kind = type(value)
        if kind in SCALAR_TYPES:
            if head := _head(event_type, mode, name):
                values.append(head + float32(value))
        elif kind in HISTOGRAM_TYPES and event_type == "reward" and name.startswith("rewards/"):
            values.append(histogram(mode_tag(mode, name), value))
    return b"".join(values)


@lru_cache(maxsize=8192)
def _head(event_type: str, mode: str | None, name: str) -> bytes | None:
    tag = tag_of(event_type, mode, name)
    return scalar_head(tag) if tag else None


def _start(wall_time_s: float, step: int) -> bytes:
    """Return the first records of an attempt: `SessionLog.START`, then the layout.

    The order matters: readers drop a layout that comes before the start.
    """
    log = SessionLog(status=SessionLog.START)
    start = EventProto(wall_time=wall_time_s, step=step, session_log=log)
    return frame(start.SerializeToString()) + frame(summary_event(wall_time_s, 0, layout()))


_SHAPES = 256
"""Maximum number of cached shapes."""


class _Shape(NamedTuple):
    """How the numbers of an event are packed.

    Attributes:
        get: Returns the values of the fields that have a tag.
        pack: Packs alternating heads and numbers.
        heads: The bytes before each number.
    """

    get: Callable[[Event], tuple[float, ...]]
    pack: Callable[..., bytes]
    heads: list[bytes]


def pack_scalars(event: Event) -> bytes:
    """Return the scalars of an event as serialized values of a `Summary`, concatenated.

    Raises:
        OverflowError: A number exceeds the range of float32.
    """
    event_type, mode, names = event["event"], event.get("mode"), tuple(event)
    shape = _find_shape(event_type, mode, names)
    numbers = shape.get(event)
    if not are_floats(numbers):
        # Some values are not numbers, or not in every event. A bool doesn't count as a number.
        numeric = tuple([name for name in names if type(event[name]) in SCALAR_TYPES])
        shape = _find_shape(event_type, mode, numeric)
        numbers = shape.get(event)
    pieces: list[bytes | float] = [b""] * (2 * len(numbers))
    pieces[::2], pieces[1::2] = shape.heads, numbers
    return shape.pack(*pieces)


@lru_cache(_SHAPES)
def _find_shape(event_type: str, mode: str | None, names: tuple[str, ...]) -> _Shape:
    tags = {name: tag for name in names if (tag := tag_of(event_type, mode, name))}
    heads = [scalar_head(tag) for tag in tags.values()]
    layout = "".join(f"{len(head)}sf" for head in heads)
    return _Shape(getter(list(tags)), Struct(f"<{layout}").pack, heads)
