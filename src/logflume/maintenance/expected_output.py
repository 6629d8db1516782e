"""The expected content of a sink file, written by its sink in a temporary folder."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from logflume.maintenance.sink_files import SinkFile, write_events
from logflume.protocols import Event

__all__ = ["ExpectedOutput", "header_of"]


class ExpectedOutput:
    """Writes events with a sink of the same kind and options as that of a sink file.

    Args:
        sink_file: The sink file.
        initial_content: Content that each attempt's file starts with; empty for a folder.

    Attributes:
        path: The file or folder that the sink writes, removed by `close`.
    """

    def __init__(self, sink_file: SinkFile, initial_content: bytes = b"") -> None:
        self._sink_file = sink_file
        self._initial_content = initial_content
        self._folder = tempfile.TemporaryDirectory(prefix="logflume-")
        self.path = Path(self._folder.name) / sink_file.path.name
        self._attempt: int | None = None
        self._sink: Any = None

    def write(self, events: Sequence[Event]) -> None:
        """Write events of one attempt with the sink."""
        if events:
            write_events(self._open(int(events[0]["attempt"])), events, self._sink_file.label)

    def lines(self, events: Sequence[Event]) -> bytes:
        """Return the lines that the sink appends to its file for events of one attempt."""
        if not events:
            return b""
        sink = self._open(int(events[0]["attempt"]))
        start = len(self._initial_content)
        os.truncate(self.path, start)  # drops the lines of earlier calls
        write_events(sink, events, self._sink_file.label)
        return self.path.read_bytes()[start:]

    def end(self) -> None:
        """Close the sink, which writes what it has kept."""
        self._close_sink()

    def close(self) -> None:
        """Close the sink, and remove the temporary folder."""
        self._close_sink()
        self._folder.cleanup()

    def _open(self, attempt: int) -> Any:
        if self._sink is None or attempt != self._attempt:
            self._close_sink()
            if self._initial_content:
                self.path.write_bytes(self._initial_content)
            self._sink = self._sink_file.open(self.path, attempt)
            self._attempt = attempt
        return self._sink

    def _close_sink(self) -> None:
        sink, self._sink = self._sink, None
        if sink is not None:
            sink.close()


def header_of(sink_file: SinkFile, attempt: int) -> bytes:
    """Return the header that the sink of an attempt writes to a new file."""
    with tempfile.TemporaryDirectory(prefix="logflume-") as folder:
        path = Path(folder) / sink_file.path.name
        sink_file.open(path, attempt).close()
        return path.read_bytes()
