"""Threads that keep the interpreter or the CPU busy while a benchmark makes its calls."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal, TypeAlias

__all__ = ["LOADS", "Load", "background_load"]

Load: TypeAlias = Literal["nothing", "python", "matmul"]

_MATRIX_SIZE = 512
_ITERATIONS = 1_000


@contextmanager
def background_load(load: Load) -> Iterator[None]:
    """Run a load on another thread within the block.

    Args:
        load: `python` holds the GIL, `matmul` releases it.
    """
    over = threading.Event()
    thread = threading.Thread(target=LOADS[load], args=(over.is_set,), daemon=True)
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
        for number in range(_ITERATIONS):
            total += number


def _multiply(is_over: Callable[[], bool]) -> None:
    import numpy as np

    # Single-threaded: the environment of the process limits the BLAS libraries to one thread.
    matrix = np.random.default_rng(0).random((_MATRIX_SIZE, _MATRIX_SIZE), dtype=np.float32)
    out = np.empty_like(matrix)
    while not is_over():
        np.matmul(matrix, matrix, out=out)


LOADS: dict[Load, Callable[[Callable[[], bool]], None]] = {
    "nothing": _do_nothing,
    "python": _run_python,
    "matmul": _multiply,
}
