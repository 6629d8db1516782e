"""Giving a folder new content in one step that no reader can see half done."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from collections.abc import Collection
from functools import lru_cache
from pathlib import Path
from typing import Any

__all__ = ["exchange", "replace_folder"]

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_UNAVAILABLE = frozenset({errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EXDEV})


def replace_folder(folder: Path, staged: Path, old: Collection[str]) -> None:
    """Give `folder` the files of `staged`, which gets those that `folder` had.

    Where folders can't be exchanged, the files are replaced one by one: those of names that are
    there already in falling order, then new ones, and at last those that `staged` lacks are
    removed. DuckDB, pandas and pyarrow take the columns from the first file by name, and so
    read on while old and new are mixed.

    Args:
        folder: The folder that readers use.
        staged: A folder on the same file system.
        old: Names of the files that are to go from `folder`, or change.

    Raises:
        OSError: It failed. If folders can't be exchanged here, `folder` may be left mixed.
    """
    if exchange(folder, staged):
        return
    new = sorted((path.name for path in staged.iterdir()), reverse=True)
    for name in sorted(new, key=lambda name: name not in old):
        (staged / name).replace(folder / name)
    for name in set(old).difference(new):
        (folder / name).unlink()


def exchange(first: Path, second: Path) -> bool:
    """Swap two folders at once; False if the system or the file system can't.

    Linux can since 3.15, on its usual local file systems; NFS can't.

    Raises:
        OSError: It can, but it failed.
    """
    rename = _find_renameat2()
    if rename is None:
        return False
    flags = ctypes.c_uint(_RENAME_EXCHANGE)
    if rename(_AT_FDCWD, os.fsencode(first), _AT_FDCWD, os.fsencode(second), flags) == 0:
        return True
    number = ctypes.get_errno()
    if number in _UNAVAILABLE:
        return False
    raise OSError(number, os.strerror(number), str(first), None, str(second))


@lru_cache
def _find_renameat2() -> Any:
    if not sys.platform.startswith("linux"):
        return None
    return getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
