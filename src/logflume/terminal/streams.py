"""Text output to streams that a script may have replaced or removed, such as standard error."""

from __future__ import annotations

import sys
import threading
from typing import Any

from logflume.guard import call_guarded
from logflume.terminal.escape import escape_lines

__all__ = ["is_terminal", "print_line", "print_text"]


def is_terminal(stream: Any) -> bool:
    """Whether a stream is a terminal; False for one without `isatty`, and for None."""
    isatty = getattr(stream, "isatty", None)
    return isatty is not None and call_guarded(isatty) is True


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


def print_line(text: str) -> None:
    """Print a line on standard error: what can't be logged, because logging is what is broken.

    Secrets are replaced, except on daemon threads: these may get here while the interpreter ends,
    which aborts the process if it happens within RE2.
    """
    call_guarded(lambda: print_text(sys.stderr, f"logflume: {escape_lines(_redacted(text))}\n"))


def _redacted(text: str) -> str:
    if threading.current_thread().daemon:
        return text
    # Imported here: it takes a fifth of a second, and most processes have nothing to print.
    from logflume.redaction.texts import redact_text

    return redact_text(text)
