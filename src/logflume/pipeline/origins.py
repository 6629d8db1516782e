"""Where an exception comes from: the place in the user's processor or sink."""

from __future__ import annotations

import sysconfig
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from logflume.guard import Failure, call_guarded

__all__ = ["find_origin", "format_trace"]

_CALLERS = ("logflume.guard", "logflume.pipeline.")
"""Modules that call processors and sinks."""

_PACKAGE_FOLDERS = frozenset({"site-packages", "dist-packages"})

_STANDARD_LIBRARY = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib")})


def find_origin(error: BaseException) -> str | None:
    """Return file and line of the innermost frame of the user's code; None if there is none.

    For a component of an installed package, it is the component's own frame. An error of a
    component of this package has no origin.
    """
    called = list(_called(error))
    origin = next((trace for trace in reversed(called) if _is_users(trace)), None)
    if origin is None and called and not _module(called[0]).startswith("logflume."):
        origin = called[0]
    if origin is None:
        return None
    return f"{Path(origin.tb_frame.f_code.co_filename).name}:{origin.tb_lineno}"


def format_trace(error: BaseException) -> str | None:
    """Return the traceback of an error, from the component on; None if it has no origin."""
    if find_origin(error) is None:
        return None
    text = call_guarded(traceback.format_exception, type(error), error, next(_called(error)))
    return None if isinstance(text, Failure) else "".join(text)


def _called(error: BaseException) -> Iterator[TracebackType]:
    """Yield the frames of a processor or sink, and of what it called, outermost first."""
    trace = error.__traceback__
    while trace is not None and _module(trace).startswith(_CALLERS):
        trace = trace.tb_next
    while trace is not None:
        yield trace
        trace = trace.tb_next


def _module(trace: TracebackType) -> str:
    return str(trace.tb_frame.f_globals.get("__name__"))


def _is_users(trace: TracebackType) -> bool:
    """Whether a frame is neither of this package, nor of an installed one, nor of Python."""
    file = Path(trace.tb_frame.f_code.co_filename)
    if _module(trace).startswith("logflume.") or not _PACKAGE_FOLDERS.isdisjoint(file.parts):
        return False
    return not str(file).startswith((*_STANDARD_LIBRARY, "<frozen"))
