"""The guard that keeps what fails in here away from the training code.

Values, processors and sinks run code that this package does not control, and any of it may raise
anything. `call_guarded` is the only place that catches everything. It returns the error as a value,
so that each caller decides what to do with it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

__all__ = ["Failure", "call_guarded", "describe", "type_name"]

P = ParamSpec("P")
T = TypeVar("T")


class Failure:
    """What `call_guarded` returns in place of a result.

    Attributes:
        error: The exception that was raised.
    """

    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error = error


def call_guarded(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | Failure:
    """Call, and return the result, or a `Failure` if it raised.

    In the main thread `KeyboardInterrupt` and `SystemExit` pass through: they are the user's. In
    any other thread they come from the call itself, such as a sink that calls `sys.exit`, and must
    not end a thread of this package. structlog's `DropEvent` is not an `Exception` either.
    """
    try:
        return call(*args, **kwargs)
    except BaseException as error:  # the one place, see the module's docstring
        if isinstance(error, (KeyboardInterrupt, SystemExit)) and _is_main_thread():
            raise
        return Failure(error)


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def type_name(value: object) -> str:
    """Return the name of a value's type, whatever a metaclass makes of `__name__`."""
    name: Any = type.__dict__["__name__"].__get__(type(value))
    return str.__str__(name)


def describe(error: BaseException) -> str:
    """Return the type and text of an error, whatever its `__str__` does.

    >>> describe(ValueError("no such column"))
    'ValueError: no such column'
    """
    text = call_guarded(str, error)
    name = type_name(error)
    if isinstance(text, Failure):
        return f"{name} (its text can't be read)"
    return f"{name}: {str.__str__(text)}" if text else name
