"""The console sink: shows a training run in a terminal, or writes all events to a text log."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TextIO

from logflume.exceptions import ConfigError
from logflume.formats.append import AppendFile, end_of_lines, scan_lines
from logflume.logger.channels import CHANNELS
from logflume.protocols import Event, ScanFault, ScannedEvent
from logflume.runs.info import RunInfo
from logflume.terminal.console_lines import Screen
from logflume.terminal.console_printer import ConsolePrinter
from logflume.terminal.lines import Painter, format_event
from logflume.terminal.streams import is_terminal, print_above_bars, print_text, terminal_columns

__all__ = ["ConsoleSink"]


class ConsoleSink:
    """Shows training on standard error, on rank 0 only; with `path`, writes a text log instead.

    The console shows one line for each training step, with the metrics that fit the terminal in
    columns; evaluations, messages, warnings and alerts; and now and then a completion with its
    rewards. Times are local. On a terminal the text is coloured, unless `NO_COLOR` is set, and
    tqdm's progress bars stay in place below it.

    With `path`, each event is one line of a file, without colours, with all fields and with date
    and time in UTC.

    Because Python itself prints an uncaught exception on standard error, the console omits its
    traceback. The file has the whole traceback.

    Args:
        path: A text file; None: standard error.
        completions: Interval in steps at which a completion is shown, beginning with the first;
            0: never. A file has all completions.
        run: The identity of the run, for its rank.

    Raises:
        ConfigError: `completions` is negative.
    """

    detachable = True
    title = "text log"
    output = "file"

    def __init__(self, path: Path | None = None, completions: int = 50, *, run: RunInfo) -> None:
        if completions < 0:
            raise ConfigError(f"completions: {completions} is negative\n  0 shows no completions")
        self._file = None if path is None else AppendFile(path, find_end=end_of_lines)
        self._silent = path is None and run.rank != 0
        self._printer = ConsolePrinter(completions, lambda: CHANNELS.total_steps)

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
        self._print(lambda screen: self._printer.add(events, screen))

    def _print(self, make_lines: Callable[[Screen], list[str]]) -> None:
        # Looked up at each write: test runners and notebooks replace `sys.stderr`.
        stream = sys.stderr
        screen = Screen(terminal_columns(stream), Painter(colours=_has_colours(stream)))
        if lines := make_lines(screen):
            print_above_bars(stream, "".join(f"{line}\n" for line in lines))

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
            self._print(self._printer.flush)
            print_text(sys.stderr, "")

    def close(self) -> None:
        """Close the file."""
        self.flush()
        if self._file is not None:
            self._file.close()
        elif not self._silent:
            self._print(self._printer.close)


def _has_colours(stream: TextIO | None) -> bool:
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return is_terminal(stream)
