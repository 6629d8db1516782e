"""Sparing the child libraries that nobody uses in it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

__all__ = ["import_bare_arrow"]

_UNUSED = frozenset(
    {
        "numpy",
        "pandas",
        "pyarrow._azurefs",
        "pyarrow._gcsfs",
        "pyarrow._hdfs",
        "pyarrow._s3fs",
    }
)


class _Hidden(MetaPathFinder):
    def find_spec(
        self, fullname: str, _path: Sequence[str] | None, _target: ModuleType | None = None, /
    ) -> ModuleSpec | None:
        if fullname in _UNUSED:
            raise ModuleNotFoundError(f"{fullname} isn't needed here", name=fullname)
        return None


def import_bare_arrow() -> None:
    """Import what the sinks use of pyarrow, and let it find nothing that they don't.

    It looks for NumPy and for remote file systems when it is imported, and for pandas with its
    first array. They would take 55 MB and 0.4 s.
    """
    hidden = _Hidden()
    sys.meta_path.insert(0, hidden)
    try:
        import pyarrow as pa
        import pyarrow.parquet

        pa.array([0])
    finally:
        sys.meta_path.remove(hidden)
