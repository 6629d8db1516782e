"""The console, and the plain-text log file: events as lines for people."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from logflume.formats.append import AppendFile, end_of_lines
from logflume.protocols import Event
from logflume.runs.info import RunInfo
from logflume.terminal.lines import Painter, format_event
from logflume.terminal.progress_bars import print_above_bars

__all__ = ["ConsoleSink"]


class ConsoleSink:
    """Prints one line an event: time, level, logger, step, then what the event says.

    On a terminal it has colours (unless `NO_COLOR` is set) and leaves tqdm's progress
    bars where they are. It prints to standard error, on rank 0 only. With `path` it writes the
    same lines, uncoloured and with the date, to a file.

    Args:
        path: A text file; None prints to standard error.
        run: The run, for the rank.
    """

    detachable = True

    def __init__(self, path: Path | None = None, *, run: RunInfo) -> None:
        self._file = None if path is None else AppendFile(path, find_end=end_of_lines)
        self._silent = path is None and run.rank != 0

    def write(self, events: Sequence[Event]) -> None:
        """Print the events.

        Raises:
            OSError: The file can't be written, or nobody reads the terminal.
        """
        if self._silent:
            return
        if self._file is not None:
            plain = Painter(colours=False)
            lines = [format_event(event, plain, in_full=True) + "\n" for event in events]
            self._file.append("".join(lines).encode())
            return
        # Looked up each time: test runners and notebooks put their own stream there.
        stream = sys.stderr
        painter = Painter(colours=_has_colours(stream))
        text = "".join([format_event(event, painter) + "\n" for event in events])
        print_above_bars(stream, text)

    def flush(self) -> None:
        """Flush the terminal."""
        if self._file is None and not self._silent:
            sys.stderr.flush()

    def close(self) -> None:
        """Close the file."""
        self.flush()
        if self._file is not None:
            self._file.close()


def _has_colours(stream: TextIO) -> bool:
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
