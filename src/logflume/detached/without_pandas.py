"""Sparing the child a library that nobody uses in it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

__all__ = ["let_arrow_do_without_pandas"]


class _NoPandas(MetaPathFinder):
    def find_spec(
        self, fullname: str, _path: Sequence[str] | None, _target: ModuleType | None = None, /
    ) -> ModuleSpec | None:
        if fullname == "pandas":
            raise ModuleNotFoundError("pandas isn't needed here", name=fullname)
        return None


def let_arrow_do_without_pandas() -> None:
    """Let pyarrow find no pandas when it looks for it, which it does once, for its first array.

    It would import it, 40 MB and 0.3 s, to see whether what it is given is a Series.
    """
    if "pandas" in sys.modules:
        return
    finder = _NoPandas()
    sys.meta_path.insert(0, finder)
    try:
        import pyarrow as pa

        pa.array([0])
    finally:
        sys.meta_path.remove(finder)
