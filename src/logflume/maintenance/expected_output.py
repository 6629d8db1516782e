"""What a sink writes of events, seen in a temporary folder."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from logflume.maintenance.sink_files import SinkFile, write_to
from logflume.protocols import Event

__all__ = ["ExpectedOutput", "header_of"]


class ExpectedOutput:
    """A sink of the kind that an output has, with the same options.

    Args:
        output: The output.
        beginning: What its file begins with, where it is one.

    Attributes:
        path: Where the sink writes, until this is closed.
    """

    def __init__(self, output: SinkFile, beginning: bytes = b"") -> None:
        self._output = output
        self._beginning = beginning
        self._folder = tempfile.TemporaryDirectory(prefix="logflume-")
        self.path = Path(self._folder.name) / output.path.name
        self._attempt: int | None = None
        self._sink: Any = None

    def write(self, events: Sequence[Event]) -> None:
        """Let the sink write events of one attempt."""
        if events:
            write_to(self._open(int(events[0]["attempt"])), events, self._output.label)

    def lines(self, events: Sequence[Event]) -> bytes:
        """Return what the sink appends to its file for events of one attempt."""
        if not events:
            return b""
        sink = self._open(int(events[0]["attempt"]))
        os.truncate(self.path, 0)  # what was seen already takes no room
        write_to(sink, events, self._output.label)
        return self.path.read_bytes()

    def close(self) -> None:
        """Remove all that was written."""
        self._close_sink()
        self._folder.cleanup()

    def _open(self, attempt: int) -> Any:
        if self._sink is None or attempt != self._attempt:
            self._close_sink()
            if self._beginning:
                self.path.write_bytes(self._beginning)
            self._sink = self._output.open(self.path, attempt)
            self._attempt = attempt
        return self._sink

    def _close_sink(self) -> None:
        sink, self._sink = self._sink, None
        if sink is not None:
            sink.close()


def header_of(output: SinkFile, attempt: int) -> bytes:
    """Return what a new file of an output begins with."""
    with tempfile.TemporaryDirectory(prefix="logflume-") as folder:
        path = Path(folder) / output.path.name
        output.open(path, attempt).close()
        return path.read_bytes()
