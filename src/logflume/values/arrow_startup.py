"""The first use of pyarrow, without pandas."""

from __future__ import annotations

import sys
import threading

__all__ = ["start_arrow"]


def start_arrow() -> None:
    """Keep pyarrow from using pandas, which this package never needs.

    With its first array, pyarrow imports pandas, if that is installed, to recognize Series. This
    takes half a second and 25 MB, in each command and in the worker process of each rank. Code that
    needs pandas, such as `to_pandas()`, can still import it.
    """
    if "pandas" in sys.modules:
        return
    refusal = _Refusal(threading.get_ident())
    sys.meta_path.insert(0, refusal)
    try:
        import pyarrow as pa

        pa.array([0])
    finally:
        sys.meta_path.remove(refusal)


class _Refusal:
    """A finder that doesn't let one thread import pandas."""

    def __init__(self, thread_id: int) -> None:
        self._thread_id = thread_id

    def find_spec(self, name: str, *_: object) -> None:
        """Refuse to find pandas.

        Raises:
            ModuleNotFoundError: pandas is to be imported.
        """
        if name == "pandas" and threading.get_ident() == self._thread_id:
            raise ModuleNotFoundError(name)
