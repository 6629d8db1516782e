"""The class `TensorBoardSink`, which writes one record per event.

Neither torch nor TensorFlow is imported. TensorBoard itself is imported with the first instance:
with `worker: process` the training process only reads the options of this class and never needs
it. `tags.py` defines the tag of each number.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from logflume.protocols import Event, Position
from logflume.runs.info import RunInfo

if TYPE_CHECKING:
    from logflume.formats.tfevents import EventFileWriter

__all__ = ["TensorBoardSink"]


class TensorBoardSink:
    """Writes an event file for TensorBoard, a new one for each process.

    TensorBoard stores numbers as float32, and by default shows a sample of long curves
    and of the texts (`tensorboard --samples_per_plugin=scalars=0,text=0` shows all).
    An event without a step is shown at the last step seen.

    The file is created with the first record: TensorBoard's Python reader abandons a file once it
    finds a later one, so a process that has nothing to show must not create one.

    Args:
        path: The folder for TensorBoard's `--logdir`, created if missing.
        texts_per_step: Maximum number of completions shown for a step and mode.
        run: The identity of the run.
    """

    detachable = True

    def __init__(self, path: Path, *, texts_per_step: int = 4, run: RunInfo) -> None:
        from .encode import Encoder

        self._folder = path
        self._file: EventFileWriter | None = None
        self._run = run
        self._encoder = Encoder(run.run, texts_per_step, run.attempt)

    def write(self, events: Sequence[Event]) -> None:
        """Append one batch. When this returns, readers see it and a kill loses none of it.

        Raises:
            OSError: Nothing of the batch was written; it can be sent again.
        """
        encoder = self._encoder.copy()
        if records := b"".join(map(encoder.records, events)):
            if self._file and self._file.is_removed:
                self.close()
            self._file = self._file or self._create_file()
            self._file.append(records)
        self._encoder = encoder

    def held(self, run: RunInfo) -> Container[Position]:
        """Return the positions of a run's events: the last one in the folder and all before it."""
        from logflume.formats.tfevents import PositionsUpTo, find_last_event

        last = find_last_event(self._folder, run)
        if last is None:
            return ()
        self._encoder = self._encoder.after(last)
        return PositionsUpTo((last.attempt, last.seq))

    def flush(self) -> None:
        """Do nothing: `write` buffers nothing."""

    def close(self) -> None:
        """Close the file."""
        if self._file:
            self._file.close()
            self._file = None

    def _create_file(self) -> EventFileWriter:
        from logflume.formats.tfevents import EventFileWriter, owner_field

        return EventFileWriter(self._folder, owner_field(self._run))
