"""The guard that keeps logflume's failures away from the training code.

Values, processors and sinks run code that this package does not control, and any of it may raise
anything. `call_guarded` is the only place that catches everything. It returns the error as a value,
so that each caller decides what to do with it.
"""

from __future__ import annotations

import opcode
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, ParamSpec, TypeVar

from logflume.threads import is_own_thread

__all__ = [
    "Failure",
    "call_guarded",
    "describe",
    "leave_without_memory",
    "type_name",
    "unended",
    "unreadable",
]

_RAISE = opcode.opmap["RAISE_VARARGS"]

P = ParamSpec("P")
T = TypeVar("T")


class Failure:
    """The error of a guarded call, returned in place of a result.

    Attributes:
        error: The exception that was raised.
    """

    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error = error


def call_guarded(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | Failure:
    """Return the result of a call, or a `Failure` if it raises.

    In a user's thread, exceptions from outside the call propagate: `KeyboardInterrupt` and
    `SystemExit` in the main thread, whatever a signal handler raises, such as a SIGALRM timeout,
    and exceptions that another thread injects. In a thread of this package, every exception comes
    from the call itself, such as a sink that calls `sys.exit`, and must not end the thread.
    """
    try:
        return call(*args, **kwargs)
    except BaseException as error:  # the one place, see the module's docstring
        if isinstance(error, MemoryError) and _leave is not None:
            _leave()
        if not is_own_thread() and _is_from_outside(error):
            raise
        return Failure(error)


_leave: Callable[[], None] | None = None


def leave_without_memory(leave: Callable[[], None] | None) -> None:
    """Set what a guarded call does that raises `MemoryError`; None: it returns it, as any error.

    Without memory, any statement of any library may fail, and few are prepared for it. A worker
    process that ends itself at the first failure loses nothing: the training process takes over.
    """
    global _leave
    _leave = leave


def _is_from_outside(error: BaseException) -> bool:
    """Whether an exception arrived during the call without being caused by it."""
    is_main = threading.current_thread() is threading.main_thread()
    if isinstance(error, (KeyboardInterrupt, SystemExit)) and is_main:
        return True
    trace = error.__traceback__
    if trace is None:
        return False
    while trace.tb_next is not None and not _is_signal_handler(trace.tb_frame):
        trace = trace.tb_next
    if _is_signal_handler(trace.tb_frame):
        return True
    # Code that raises has a `raise` there; another thread's exception arrives at any instruction.
    instruction = trace.tb_frame.f_code.co_code[trace.tb_lasti]
    return not isinstance(error, Exception) and instruction != _RAISE


def _is_signal_handler(frame: FrameType) -> bool:
    """Whether a frame is that of a signal handler, which gets the interrupted frame."""
    interrupted = frame.f_back
    code = frame.f_code
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount + 2]
    arguments = [frame.f_locals.get(name) for name in names]
    return interrupted is not None and any(
        value is interrupted or (type(value) is tuple and any(v is interrupted for v in value))
        for value in arguments
    )


def type_name(value: object) -> str:
    """Return the name of a value's type, even if a metaclass overrides `__name__`."""
    name: Any = type.__dict__["__name__"].__get__(type(value))
    return str.__str__(name)


def describe(error: BaseException) -> str:
    """Return the type and text of an error, even if its `__str__` fails.

    >>> describe(ValueError("no such column"))
    'ValueError: no such column'
    """
    text = call_guarded(str, error)
    name = type_name(error)
    if isinstance(text, Failure):
        return f"{name} (its text can't be read)"
    return f"{name}: {str.__str__(text)}" if text else name


def unended(text: object) -> str:
    """Return a text without the full stop at its end, for a message that continues after it.

    >>> unended(ValueError("No such column."))
    'No such column'
    """
    return str(text).rstrip(". \n")


def unreadable(name: str, error: BaseException) -> str:
    """Return the mark that replaces a value which can't be read.

    >>> unreadable("Tensor", ValueError("no storage"))
    '<Tensor that could not be read: ValueError: no storage>'
    """
    return f"<{name} that could not be read: {describe(error)}>"
