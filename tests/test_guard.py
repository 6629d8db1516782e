"""The user's exceptions reach the training; those of values and components don't."""

from __future__ import annotations

import ctypes
import signal
import threading
from collections.abc import Callable, Iterator
from functools import partial
from types import FrameType
from typing import Any

import pytest

import logflume
from logflume.guard import Failure, call_guarded
from logflume.testing import capture_events


class TimeoutOfTest(BaseException):
    """As pytest's own outcomes, no `Exception`."""


class Limit:
    """Handlers of SIGALRM as programs write them."""

    def method(self, _number: int, _frame: FrameType | None) -> None:
        raise TimeoutError("too slow")

    def __call__(self, *_args: Any) -> None:
        raise TimeoutError("too slow")


def function(_number: int, _frame: FrameType | None) -> None:
    raise TimeoutError("too slow")


def of_pytest(_number: int, _frame: FrameType | None) -> None:
    raise TimeoutOfTest


def calls_another(number: int, frame: FrameType | None) -> None:
    function(number, frame)


class Alarming:
    """A value during whose conversion a signal arrives."""

    def __str__(self) -> str:
        signal.raise_signal(signal.SIGALRM)
        return "never"

    __repr__ = __str__


@pytest.fixture
def set_handler() -> Iterator[Callable[[Any], Any]]:
    before = signal.getsignal(signal.SIGALRM)
    yield partial(signal.signal, signal.SIGALRM)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize(
    "handler",
    [
        function,
        calls_another,
        Limit().method,
        Limit(),
        partial(function),
        lambda *_: function(0, None),
    ],
    ids=["function", "nested", "method", "object", "partial", "lambda"],
)
def test_a_signal_handler_that_raises(set_handler: Callable[[Any], Any], handler: Any) -> None:
    """What a signal handler raises while a log call copies a value reaches the caller."""
    set_handler(handler)
    with capture_events(), pytest.raises(TimeoutError, match="too slow"):
        logflume.get_logger().info("x", value=Alarming())


def test_a_base_exception_of_a_signal_handler(set_handler: Callable[[Any], Any]) -> None:
    """So does a time-out that is no `Exception`, as that of pytest-timeout."""
    set_handler(of_pytest)
    with capture_events(), pytest.raises(TimeoutOfTest):
        logflume.get_logger().info("%s", Alarming())


def test_a_value_that_raises_the_same(set_handler: Callable[[Any], Any]) -> None:
    """A `TimeoutError` of the value itself doesn't."""
    set_handler(function)

    def fail() -> None:
        raise TimeoutError("of the value")

    assert isinstance(call_guarded(fail), Failure)
    assert isinstance(call_guarded(function, 0, None), Failure)


def test_an_exception_from_another_thread() -> None:
    """What another thread raises in this one, such as a time-out, ends the call."""
    is_busy = threading.Event()
    is_over = False
    seen: list[object] = []

    def wait() -> None:
        is_busy.set()
        while not is_over:
            pass

    def run() -> None:
        try:
            seen.append(call_guarded(wait))
        except TimeoutOfTest as error:
            seen.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    assert is_busy.wait(30)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread.ident or 0), ctypes.py_object(TimeoutOfTest)
    )
    thread.join(30)
    is_over = True

    assert [TimeoutOfTest] == [type(error) for error in seen]
