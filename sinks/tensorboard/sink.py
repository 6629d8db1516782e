"""The sink of TensorBoard: event files of scalars, histograms, texts, hyperparameters and a layout.

Neither torch nor TensorFlow is imported, and TensorBoard itself with the first sink that is made: a
process whose pipeline is in another one asks this class for its options only. One log event is one
record, however many numbers it has. `tags.py` defines which tag a number has.
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

    TensorBoard keeps numbers as float32, and by default shows a sample of long curves
    and of the texts (`tensorboard --samples_per_plugin=scalars=0,text=0` shows all).
    An event without a step is shown at the last step that was seen.

    The file is made when there is something to write: TensorBoard's Python reader leaves a file for
    good when it finds a later one, so a process that has nothing to say must not make one.

    Args:
        path: The folder for TensorBoard's `--logdir`, made if missing.
        texts_per_step: How many completions are shown, at most, of a step and mode.
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
        """Append one batch. When this returns, any reader sees it, and a kill loses none of it.

        Raises:
            OSError: Nothing of the batch was written; the same batch may be tried again.
        """
        encoder = self._encoder.copy()
        if records := b"".join(map(encoder.records, events)):
            if self._file and self._file.is_removed:
                self.close()
            self._file = self._file or self._begin_file()
            self._file.append(records)
        self._encoder = encoder

    def held(self, run: RunInfo) -> Container[Position]:
        """Return the events of a run that were shown, and all before the last of them."""
        from logflume.formats.tfevents import UpTo, find_last

        last = find_last(self._folder, run)
        if last is None:
            return ()
        self._encoder = self._encoder.after(last)
        return UpTo((last.attempt, last.seq))

    def flush(self) -> None:
        """Do nothing: `write` leaves nothing in a buffer."""

    def close(self) -> None:
        """Close the file."""
        if self._file:
            self._file.close()
            self._file = None

    def _begin_file(self) -> EventFileWriter:
        from logflume.formats.tfevents import EventFileWriter, owner

        return EventFileWriter(self._folder, owner(self._run))
