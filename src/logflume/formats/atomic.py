"""Atomic replacement of files and folders that are built in a staging folder."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

__all__ = [
    "STAGING_SUFFIX",
    "atomic_replacement",
    "can_exchange",
    "clean_up",
    "link_or_copy",
    "replace_folder",
    "size_bytes",
]


_AT_FDCWD = -100

_RENAME_EXCHANGE = 2

_UNAVAILABLE = frozenset({errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EXDEV})


def exchange(first: Path, second: Path) -> bool:
    """Swap two folders atomically; False if the system or the file system doesn't support it.

    Linux supports it since 3.15 on the usual local file systems, but not on NFS.

    Raises:
        OSError: It is supported, but failed.
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


def can_exchange(folder: Path) -> bool:
    """Whether folders can be exchanged atomically within `folder`, which is left as it was.

    Raises:
        OSError: Folders can't be created there.
    """
    with (
        TemporaryDirectory(dir=folder, prefix=".") as first,
        TemporaryDirectory(dir=folder, prefix=".") as second,
    ):
        return exchange(Path(first), Path(second))


@lru_cache
def _find_renameat2() -> Any:
    if not sys.platform.startswith("linux"):
        return None
    return getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)


def link_or_copy(source: Path, target: Path) -> None:
    """Give a file a second name; where the file system has no hard links, copy it.

    Raises:
        FileNotFoundError: There is no such file.
        OSError: It can't be copied.
    """
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copy2(source, target, follow_symlinks=False)


def size_bytes(path: Path) -> int:
    """Return the size of a file, or of all files of a folder."""
    if not path.is_dir():
        return path.stat().st_size
    total_bytes = 0
    folders = [os.fspath(path)]
    while folders:
        # A live run may replace folders and files meanwhile.
        with suppress(FileNotFoundError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                elif entry.is_file():
                    total_bytes += entry.stat().st_size
    return total_bytes


STAGING_SUFFIX = ".replay"

_OLD = "old"


@contextmanager
def atomic_replacement(
    path: Path, find_files: Callable[[], Collection[Path]] = tuple
) -> Iterator[Path]:
    """Yield a staging path whose content replaces `path` at the end of the block.

    The staging path is in a hidden folder next to `path`. The old file or folder is removed after
    the new one has replaced it, which is atomic. If the block raises, `path` is unchanged. After a
    kill `path` is either the old or the new one, and the hidden folder remains until the next call
    or `clean_up` removes it.

    A file may have others next to it, such as rotated ones. Those are replaced first, one by one,
    and superfluous old ones are removed last.

    Args:
        path: The file or folder.
        find_files: Returns the old files next to a file, which may include `path`.

    Raises:
        OSError: The replacement failed; the old file or folder is in its place.
    """
    staging = clean_up(path)
    staging.mkdir(parents=True)
    try:
        yield staging / path.name
        _swap_in(staging / path.name, path, staging / _OLD, find_files)
    finally:
        clean_up(path)


def clean_up(path: Path) -> Path:
    """Remove what a killed replacement of `path` left behind, and return the staging folder."""
    staging = path.with_name(f".{path.name}{STAGING_SUFFIX}")
    old = staging / _OLD
    if old.exists() and not path.exists():
        old.rename(path)  # the process was killed between two renames
    shutil.rmtree(staging, ignore_errors=True)
    return staging


def _swap_in(new: Path, path: Path, old: Path, find_files: Callable[[], Collection[Path]]) -> None:
    if not new.exists():  # no event belongs in it
        if not path.exists():
            return
        new.mkdir() if path.is_dir() else new.touch()
    others: list[Path] = []
    superfluous: set[Path] = set()
    if not new.is_dir():
        others = [file for file in sorted(new.parent.iterdir()) if file != new]
        superfluous = {*find_files()} - {path, *(path.with_name(file.name) for file in others)}
    for file in others:
        file.replace(path.with_name(file.name))
    if not path.is_dir():
        new.replace(path)
    elif not exchange(path, new):
        path.rename(old)
        new.rename(path)
    for file in superfluous:
        file.unlink(missing_ok=True)


def replace_folder(folder: Path, staged: Path, old: Collection[str]) -> None:
    """Replace the files of `folder` by those of `staged`, which receives the old files.

    Where folders can't be exchanged, files are replaced one by one: first those whose names exist
    already, in descending order, then new ones. DuckDB, pandas and pyarrow take the columns from
    the first file by name, so they can still read the folder while it contains old and new files.
    So that no reader finds a row twice, `staged` must then have every file of `old`.

    Args:
        folder: The folder that readers use.
        staged: A folder on the same file system.
        old: Names of the files in `folder` that are replaced.

    Raises:
        OSError: It failed. Where folders can't be exchanged, `folder` may contain old and new
            files.
    """
    if exchange(folder, staged):
        return
    new = sorted((path.name for path in staged.iterdir()), reverse=True)
    for name in sorted(new, key=lambda name: name not in old):
        (staged / name).replace(folder / name)
