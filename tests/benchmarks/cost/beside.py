"""What the training does meanwhile, on a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal, TypeAlias

__all__ = ["BESIDE", "Beside", "busy"]

Beside: TypeAlias = Literal["nothing", "python", "matmul"]

_MATRIX = 512
_TURNS = 1_000


@contextmanager
def busy(kind: Beside) -> Iterator[None]:
    """Keep a thread busy within the block: `python` holds the GIL, `matmul` releases it."""
    over = threading.Event()
    thread = threading.Thread(target=BESIDE[kind], args=(over.is_set,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _do_nothing(is_over: Callable[[], bool]) -> None:
    pass


def _run_python(is_over: Callable[[], bool]) -> None:
    total = 0
    while not is_over():
        for number in range(_TURNS):
            total += number


def _multiply(is_over: Callable[[], bool]) -> None:
    import numpy as np

    # One thread: the caller of `one` says so to the libraries before they are loaded.
    matrix = np.random.default_rng(0).random((_MATRIX, _MATRIX), dtype=np.float32)
    out = np.empty_like(matrix)
    while not is_over():
        np.matmul(matrix, matrix, out=out)


BESIDE: dict[Beside, Callable[[Callable[[], bool]], None]] = {
    "nothing": _do_nothing,
    "python": _run_python,
    "matmul": _multiply,
}
