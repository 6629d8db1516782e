"""The class `TensorBoardSink`, which writes the records of a step once the step is over.

Neither torch nor TensorFlow is imported. TensorBoard itself is imported with the first instance:
with `worker: process` the training process only reads the options of this class and never imports
it. `tags.py` defines the tag of each number.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from logflume.protocols import Event, Position, ScanFault, ScannedEvent
from logflume.runs.info import RunInfo
from logflume.values.columnar import EventColumns

if TYPE_CHECKING:
    from logflume.formats.tfevents import EventFileWriter

    from .encode import Encoder

__all__ = ["TensorBoardSink"]

_NEVER_S = 1e9
_RETRY_S = 1.0


class TensorBoardSink:
    """Writes an event file for TensorBoard, a new one for each process.

    TensorBoard stores numbers as float32, and by default shows a sample of long curves and of the
    texts (`tensorboard --samples_per_plugin=scalars=0,text=0` shows all). An event without a step
    appears at the last step seen. Several events of one step are one point, by the same rules as in
    `metrics()` (`logflume.values.aggregates`). A step is therefore written once it is over: with
    the first event of another step, by `flush`, or at the end.

    Images (`logflume.Image`), histograms (`logflume.Histogram`, large arrays) and tables (data
    frames) appear, too: for each field, the last value of a step, with up to four images of up to
    16 MB each.

    The file is created with the first record: TensorBoard's Python reader abandons a file once it
    finds a later one, so a process that has nothing to show must not create one.

    Args:
        path: The folder for TensorBoard's `--logdir`, created if missing.
        texts_per_step: Maximum number of completions shown for a step and mode.
        run: The identity of the run.
    """

    detachable = True
    title = "TensorBoard"
    output = "folder"

    def __init__(self, path: Path, *, texts_per_step: int = 4, run: RunInfo) -> None:
        from .encode import Encoder

        self._folder = path
        self._file: EventFileWriter | None = None
        self._missing_bytes = 0
        self._run = run
        self._encoder = Encoder(run.run, texts_per_step, run.attempt, folder=run.folder)
        self._fails_to_flush = False

    @property
    def flush_every_s(self) -> float:
        """Practically never, because a flush ends the step; soon, after a flush that failed."""
        return _RETRY_S if self._fails_to_flush else _NEVER_S

    @property
    def unwritten(self) -> int:
        """Number of events of the current step that are not in a file yet."""
        return self._encoder.unwritten

    @property
    def loss(self) -> str | None:
        """What another process has removed of the event files; None if nothing."""
        if not self._missing_bytes:
            return None
        return (
            f"{self._folder}: an event file was removed or truncated by another process: "
            f"{self._missing_bytes:,} bytes are missing"
        )

    def write(self, events: Sequence[Event]) -> None:
        """Append the steps that are over. Readers see them when this returns.

        A kill loses no event: continuing the run adds those that are not in the file.

        Raises:
            OSError: Nothing of the batch was written; it can be sent again.
        """
        encoder = self._encoder.copy()
        # Most completions are not shown, so their dicts are not created.
        seen = events.views() if isinstance(events, EventColumns) else events
        self._append(b"".join(map(encoder.records, seen)), encoder)
        self._encoder = encoder

    def held(self, run: RunInfo) -> Container[Position]:
        """Return the positions of a run's events: the last one in the folder and all before it."""
        from logflume.formats.tfevents import (
            PositionsUpTo,
            drop_unfinished,
            find_last_event,
            find_started_s,
            find_tags,
        )

        drop_unfinished(self._folder, run)
        last = find_last_event(self._folder, run)
        if last is None:
            return ()
        tags = find_tags(self._folder, run, last.step)
        self._encoder = self._encoder.after(last, tags, find_started_s(self._folder, run))
        return PositionsUpTo((last.attempt, last.seq))

    def scan(self, path: Path, run: RunInfo) -> Iterator[ScannedEvent | ScanFault]:
        """Yield the records of a folder; see `logflume.protocols.ScannableSink`."""
        from logflume.formats.tfevents import scan_event_files

        return scan_event_files(path, run)

    def expect(self, events: Sequence[Event]) -> Iterator[ScannedEvent]:
        """Yield the events that TensorBoard shows at a known step."""
        for event in events:
            self._encoder.records(event)
            if self._encoder.shows_last and self._encoder.knows_step:
                yield ScannedEvent((event["attempt"], event["seq"]))

    def own_files(self, path: Path, run: RunInfo) -> list[Path]:
        """Return the event files in a folder that a run and rank has written."""
        from logflume.formats.tfevents import find_own_files

        return find_own_files(path, run)

    def flush(self) -> None:
        """Append what the current step has so far.

        Raises:
            OSError: Nothing was written; the next call tries again.
        """
        self._fails_to_flush = True
        self._leave_removed_file()
        encoder = self._encoder.copy()
        self._append(encoder.end_step(), encoder)
        self._encoder = encoder
        self._fails_to_flush = False

    def close(self) -> None:
        """Append what the current step has so far, and close the file."""
        self.flush()
        self._close_file()

    def _append(self, records: bytes, encoder: Encoder) -> None:
        if records:
            self._leave_removed_file()
            self._file = self._file or self._create_file(encoder.started_s)
            self._file.append(records)

    def _leave_removed_file(self) -> None:
        """Leave a file that another process has removed or truncated."""
        missing_bytes = self._file.find_missing_bytes() if self._file else None
        if missing_bytes is not None:
            self._missing_bytes += missing_bytes
            self._close_file()

    def _close_file(self) -> None:
        if self._file:
            self._file.close()
            self._file = None

    def _create_file(self, started_s: float | None) -> EventFileWriter:
        from logflume.formats.tfevents import EventFileWriter, owner_field

        return EventFileWriter(self._folder, owner_field(self._run), started_s)
