"""Sparing the child two libraries that nobody uses in it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

__all__ = ["import_bare_arrow"]

_UNUSED = frozenset({"numpy", "pandas"})


class _Hidden(MetaPathFinder):
    def find_spec(
        self, fullname: str, _path: Sequence[str] | None, _target: ModuleType | None = None, /
    ) -> ModuleSpec | None:
        if fullname in _UNUSED:
            raise ModuleNotFoundError(f"{fullname} isn't needed here", name=fullname)
        return None


def import_bare_arrow() -> None:
    """Import what the sinks use of pyarrow, and let it find neither NumPy nor pandas.

    It looks for NumPy when it is imported, and for pandas with its first array. They would take
    50 MB and 0.4 s, and what the sinks hand it is neither.
    """
    hidden = _Hidden()
    sys.meta_path.insert(0, hidden)
    try:
        import pyarrow as pa
        import pyarrow.compute
        import pyarrow.parquet

        pa.array([0])
    finally:
        sys.meta_path.remove(hidden)
