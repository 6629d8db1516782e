"""The console sink: events as lines of text, on the terminal or in a log file."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from logflume.formats.append import AppendFile, end_of_lines, scan_lines
from logflume.protocols import Event, ScanFault, ScannedEvent
from logflume.runs.info import RunInfo
from logflume.terminal.lines import Painter, format_event
from logflume.terminal.progress_bars import print_above_bars
from logflume.terminal.streams import is_terminal, print_text

__all__ = ["ConsoleSink"]


class ConsoleSink:
    """Prints one line per event: time, level, logger, step, then the event's fields.

    Lines go to standard error, on rank 0 only. On a terminal they are coloured, unless
    `NO_COLOR` is set, and tqdm's progress bars stay in place below them. With `path`, the same
    lines are written to a file instead, uncoloured and with the date.

    Args:
        path: A text file; None prints to standard error.
        run: The identity of the run, for its rank.
    """

    detachable = True
    output = "file"

    def __init__(self, path: Path | None = None, *, run: RunInfo) -> None:
        self._file = None if path is None else AppendFile(path, find_end=end_of_lines)
        self._silent = path is None and run.rank != 0

    @property
    def loss(self) -> str | None:
        """What another process has removed of the file; None if nothing."""
        return None if self._file is None else self._file.loss

    def write(self, events: Sequence[Event]) -> None:
        """Print the events.

        Raises:
            OSError: The file can't be written, or the terminal is closed.
        """
        if self._silent:
            return
        if self._file is not None:
            plain = Painter(colours=False)
            lines = [format_event(event, plain, in_full=True) + "\n" for event in events]
            self._file.append("".join(lines).encode())
            return
        # Looked up at each write: test runners and notebooks replace `sys.stderr`.
        stream = sys.stderr
        painter = Painter(colours=_has_colours(stream))
        text = "".join([format_event(event, painter) + "\n" for event in events])
        print_above_bars(stream, text)

    def scan(self, path: Path, run: RunInfo) -> Iterator[ScannedEvent | ScanFault]:  # noqa: ARG002
        """Yield the lines of a file; see `logflume.protocols.ScannableSink`."""
        return scan_lines(path)

    def expect(self, events: Sequence[Event]) -> Iterator[ScannedEvent]:
        """Yield the lines of the events."""
        plain = Painter(colours=False)
        for event in events:
            for _ in format_event(event, plain, in_full=True).split("\n"):
                yield ScannedEvent(None)

    def flush(self) -> None:
        """Flush the terminal, or check that the file is still there."""
        if self._file is not None:
            self._file.check()
        elif not self._silent:
            print_text(sys.stderr, "")

    def close(self) -> None:
        """Close the file."""
        self.flush()
        if self._file is not None:
            self._file.close()


def _has_colours(stream: TextIO | None) -> bool:
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return is_terminal(stream)
