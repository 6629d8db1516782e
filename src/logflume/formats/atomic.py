"""Building a file or folder beside the one that readers use, and taking its place."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

__all__ = ["SUFFIX", "atomic_replacement", "clean_up", "exchange", "replace_folder", "size_bytes"]


_AT_FDCWD = -100

_RENAME_EXCHANGE = 2

_UNAVAILABLE = frozenset({errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EXDEV})


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


def size_bytes(path: Path) -> int:
    """Return the size of a file, or of all files of a folder."""
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size


SUFFIX = ".replay"

_OLD = "old"


@contextmanager
def atomic_replacement(path: Path) -> Iterator[Path]:
    """Yield where to build what takes the place of `path` at the end of the block.

    It is in a hidden folder beside. The old one is removed when the new one is in its place, which
    happens at once; if the block raises, all stays as it was. A kill leaves the old or the new one,
    and a hidden folder, which the next call or `clean_up` removes.

    Raises:
        OSError: It can't be done; the old one is in its place.
    """
    workplace = clean_up(path)
    workplace.mkdir(parents=True)
    try:
        yield workplace / path.name
        _put_in_place(workplace / path.name, path, workplace / _OLD)
    finally:
        clean_up(path)


def clean_up(path: Path) -> Path:
    """Remove what a kill has left beside `path`, and return the hidden folder's name."""
    workplace = path.with_name(f".{path.name}{SUFFIX}")
    old = workplace / _OLD
    if old.exists() and not path.exists():
        old.rename(path)  # the kill came between two renames
    shutil.rmtree(workplace, ignore_errors=True)
    return workplace


def _put_in_place(new: Path, path: Path, old: Path) -> None:
    if not new.exists():  # nothing belongs in it
        new.mkdir() if path.is_dir() else new.touch()
    if not path.is_dir():
        new.replace(path)
    elif not exchange(path, new):
        path.rename(old)
        new.rename(path)


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
