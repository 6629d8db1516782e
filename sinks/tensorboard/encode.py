"""Encodes events as the records of an event file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path

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
from logflume.values.kinds import HISTOGRAM_TYPES, SCALAR_TYPES

from .hparams import Session, session_end
from .markdown import completion_markdown
from .open_step import MAX_EVENTS, MAX_VISUAL_BYTES, OpenStep
from .panels import Panels
from .summaries import histogram, text
from .tags import BY_SECOND, mode_tag, prefix_of, tag_of
from .visuals import find_visuals

__all__ = ["Encoder"]


@dataclass
class Encoder:
    """Encodes events one after another, and keeps the state that later records depend on.

    The curves of an attempt begin with `SessionLog.START` at its first step: readers then drop
    the points of earlier attempts from that step on. The first attempt has one too, at step 0,
    because TensorBoard's Python reader doesn't take the first one in a folder for a restart.
    Until a continued run knows its step, its curves and texts are left out, since at step 0 they
    would make the curves zigzag.

    Events of an earlier attempt, added by the catch-up, come first and belong to its curves.

    The records of a step are written when it is over, because its events are one point. Only the
    last of these records has positions, those of all events of the step. So after a kill exactly
    the events that are not shown are added from the journal, once `drop_unfinished` has removed the
    records without a position.

    Args:
        run_id: Id of the run.
        texts_per_step: Maximum number of completions shown for a step and mode.
        attempt: The attempt of the next event, if known.
        started_s: When the run began, in seconds since 1970; None before the first event.
        folder: The run's folder, for its images.

    Attributes:
        shows_last: Whether TensorBoard shows something of the last event.
    """

    run_id: str
    texts_per_step: int
    attempt: int
    started_s: float | None = None
    folder: Path = Path()
    shows_last: bool = False
    _step: int | None = None
    _started: bool = False
    _session: Session = field(init=False)
    _by_second: list[bytes] = field(default_factory=list)
    _texts: dict[str, tuple[int, int]] = field(default_factory=dict)  # step and count, by tag
    _open: OpenStep = field(default_factory=OpenStep)
    _panels: Panels = field(default_factory=Panels)

    def __post_init__(self) -> None:
        self._session = Session(self.run_id)

    @property
    def unwritten(self) -> int:
        """Number of events of the current step that are in no record yet."""
        return self._open.unwritten

    def copy(self) -> Encoder:
        """Return a copy to encode further events with, which leaves this encoder unchanged."""
        copy = replace(self, _texts=dict(self._texts), _open=self._open.copy())
        copy._panels = replace(self._panels)
        copy._by_second = list(self._by_second)
        copy._session = self._session.copy()
        return copy

    def after(self, last: LastEvent, tags: Iterable[str], started_s: float | None) -> Encoder:
        """Return an encoder that continues where an earlier process stopped.

        Args:
            last: The last event that it wrote.
            tags: The tags that it wrote at the step of this event.
            started_s: When the run began, in seconds since 1970.
        """
        counts = Counter(tag.rpartition("/")[0] for tag in tags)
        texts = {tag: (last.step, count) for tag, count in counts.items()}
        after = replace(self, attempt=last.attempt, _step=last.step, _started=True, _texts=texts)
        after.started_s = started_s
        return after

    def records(self, event: Event) -> bytes:
        """Return the records that are complete with an event: those of the step before it."""
        attempt, step = event.get("attempt", self.attempt), event["step"]
        if self.started_s is None:
            self.started_s = _time(event["timestamp"])
        records = b""
        if attempt != self.attempt or step not in (None, self._step):
            records = self.end_step()
            self._open = OpenStep()
        if attempt != self.attempt:
            self.attempt, self._step, self._started = attempt, None, False
        if step is not None:
            self._step = step
        self.shows_last = self._add(event)
        is_full = self._open.unwritten >= MAX_EVENTS or self._open.visual_bytes >= MAX_VISUAL_BYTES
        if self._step is None or is_full:
            records += self.end_step()
            self._open = OpenStep()
        return records

    def end_step(self) -> bytes:
        """Return the records of everything that is not written yet; empty if there is nothing."""
        if not self._open.unwritten:
            return b""
        position, seqs = self._open.position, self._open.seqs
        session = b""
        if self._session.is_pending:
            names = self._open.numbers()
            tags = (tag_of(event["event"], event.get("mode"), name) for event, name in names)
            session = self._session.end_step(filter(None, tags))
        shown = list(self._open.take(_curves))
        step = self._step or 0
        records = []
        if self.knows_step and not self._started:
            self._started = True
            records.append(_start(_time(shown[0].timestamp), step if self.attempt else 0))
            self._panels.is_changed = True  # readers drop a layout that comes before the start
        if self._panels.is_changed:
            summary = self._panels.take()
            records.append(frame(summary_event(_time(shown[0].timestamp), 0, summary)))
        records += self._by_second
        self._by_second.clear()
        if session:
            records.append(frame(summary_event(_time(shown[0].timestamp), step, session)))
        for timestamp, summary in shown[:-1]:
            records.append(frame(summary_event(_time(timestamp), step, summary)))
        timestamp, summary = shown[-1]
        # Only records after the start get a mark: a mark implies that the start is written.
        mark = position_field(*position, also=seqs[:-1]) if self.knows_step else b""
        records.append(frame(summary_event(_time(timestamp), step, summary, mark)))
        return b"".join(records)

    @property
    def knows_step(self) -> bool:
        """Whether events are shown, and their records have a position."""
        return self._step is not None or self.attempt == 0

    def _add(self, event: Event) -> bool:
        """Add what TensorBoard shows of an event to the current step; False if that is nothing."""
        event_type = event["event"]
        if event_type == "run_started":
            self._session.start(event, _time(event["timestamp"]))
            return False
        if event_type == "run_finished":
            summary = self._end_session(event)
        elif not self.knows_step:
            return False
        elif event_type == "model_output":
            summary = self._text(event)
        else:
            return self._add_values(event)
        if summary:
            self._open.add(event, summary)
        return bool(summary)

    def _add_values(self, event: Event) -> bool:
        """Add the numbers and visuals of an event."""
        summary = _curves(event)
        if summary:
            self._panels.note(event)
        if event["event"] == "system" and summary:
            self._add_by_second(event)
        if summary and event["step"] is not None:
            tag = prefix_of(event["event"], event.get("mode"))
            self._open.add_numbers(tag, event, summary)
        elif summary:
            self._open.add(event, summary)
        visuals = list(find_visuals(event, self.folder))
        if visuals:
            self._open.add_visuals(event, visuals, is_added=bool(summary))
        return bool(summary or visuals)

    def _end_session(self, event: Event) -> bytes:
        session = self._session.take()
        end = session_end(event, _time(event["timestamp"])) if self._session.is_written else b""
        return session + end

    def _add_by_second(self, event: Event) -> None:
        """Add the point of a `system` event at the second of its time."""
        time_s = _time(event["timestamp"])
        second = max(0, int(time_s - (self.started_s or time_s)))
        summary = _curves({**event, "event": BY_SECOND})
        self._by_second.append(frame(summary_event(time_s, second, summary)))

    def _text(self, event: Event) -> bytes:
        tag, step = mode_tag(event.get("mode"), "model_output"), self._step or 0
        last_step, count = self._texts.get(tag, (step, 0))
        index = count if last_step == step else 0
        if index >= self.texts_per_step:
            return b""
        self._texts[tag] = (step, index + 1)
        return text(f"{tag}/{index}", "text", completion_markdown(event))


def _time(timestamp: str) -> float:
    return datetime.fromisoformat(timestamp).timestamp()


def _curves(event: Event) -> bytes:
    """Return the scalars of an event and the histograms of its rewards as one `Summary`."""
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
    """Return the first record of an attempt."""
    log = SessionLog(status=SessionLog.START)
    start = EventProto(wall_time=wall_time_s, step=step, session_log=log)
    return frame(start.SerializeToString())
