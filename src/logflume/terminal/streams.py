"""Text output to streams that a script may have replaced or removed, such as standard error."""

from __future__ import annotations

import os
import sys
from typing import Any

from logflume.guard import Failure, call_guarded
from logflume.terminal.escape import escape_lines
from logflume.threads import NATIVE_CALLS

__all__ = ["is_terminal", "print_above_bars", "print_line", "print_text", "terminal_columns"]

_DEFAULT_COLUMNS = 80

_NOTEBOOK = "ipykernel"
"""Its streams claim to be terminals, and have the file descriptors of the server."""


def is_terminal(stream: Any) -> bool:
    """Whether a stream is a terminal; False for one without `isatty`, and for None."""
    isatty = getattr(stream, "isatty", None)
    return isatty is not None and call_guarded(isatty) is True


def terminal_columns(stream: Any) -> int | None:
    """Return the width of a stream's terminal in cells; None if the stream isn't a terminal.

    Where the terminal doesn't report it, as in a notebook, it is `COLUMNS`, or else 80.
    """
    if not is_terminal(stream):
        return None
    own = getattr(stream, "columns", None)
    if isinstance(own, int):
        return own
    if type(stream).__module__.partition(".")[0] != _NOTEBOOK:
        size = call_guarded(lambda: os.get_terminal_size(stream.fileno()))
        if not isinstance(size, Failure) and size.columns > 0:
            return size.columns
    columns = os.environ.get("COLUMNS", "")
    return int(columns) if columns.isdecimal() and int(columns) > 0 else _DEFAULT_COLUMNS


def print_text(stream: Any, text: str) -> None:
    """Write text to a stream and flush it; None and streams without `flush` are accepted.

    Raises:
        Exception: Any error that the stream raises.
    """
    if stream is None:
        return
    stream.write(text)
    flush = getattr(stream, "flush", None)
    if flush is not None:
        flush()


def print_above_bars(stream: Any, text: str) -> None:
    """Print text above any active tqdm progress bars.

    Args:
        stream: The stream; None prints nothing.
        text: The text, with a newline at its end.

    Raises:
        OSError: The stream can't be written to.
    """
    tqdm: Any = getattr(sys.modules.get("tqdm"), "tqdm", None)
    if tqdm is None or not getattr(tqdm, "_instances", None):
        print_text(stream, text)
    elif stream is not None:
        # Clears the bars, prints, and redraws them.
        tqdm.write(text, file=stream, end="")
        print_text(stream, "")


def print_line(text: str) -> None:
    """Print a line on standard error, for what can't be logged because logging is broken.

    Secrets are replaced, except while the interpreter ends, and if the system grants no file or
    memory for the search.
    """
    call_guarded(lambda: print_text(sys.stderr, f"logflume: {escape_lines(_redacted(text))}\n"))


def _redacted(text: str) -> str:
    if sys.is_finalizing():  # nothing can be imported then
        return text
    redacted = call_guarded(_redact, text)
    # Without memory or a file for the import, the line is more important than the search.
    return text if isinstance(redacted, Failure) else redacted


def _redact(text: str) -> str:
    # Imported here: it takes a fifth of a second, and most processes have nothing to print.
    with NATIVE_CALLS:
        from logflume.redaction.texts import redact_text

    return redact_text(text)
