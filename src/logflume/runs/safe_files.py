"""The one place that opens the files of a run, and decides which paths belong to it.

A run's folder may come from somebody else: copied, downloaded, or on a shared disk. Whatever it
contains, nothing outside it is written, moved, truncated or removed, and opening a file neither
blocks nor reads more than the limits below.

- Only regular files with a single name are opened for writing: symbolic links are not followed, and
  hard links are not written through. Reading follows links, because some download caches use them.
- Pipes, sockets and devices are refused, also for reading.
- A path in a recorded configuration is used only if it is in the run's folder and has no `..`.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from logflume.exceptions import RunError
from logflume.resources import above_standard_streams

__all__ = [
    "MAX_LINE_BYTES",
    "bounded_lines",
    "check_entries",
    "check_own",
    "is_inside",
    "make_folder",
    "open_file",
    "read_file",
]

_SAFE_FLAGS = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
_NOT_FOLLOWING = getattr(os, "O_NOFOLLOW", 0)
_WRITING = os.O_WRONLY | os.O_RDWR


def open_file(path: str | os.PathLike[str], flags: int, mode: int = 0o666) -> int:
    """Open a regular file as `os.open` does, above the standard streams. Also an `opener`.

    The mode of a new file follows the umask.

    Raises:
        OSError: The file can't be opened or is not a regular file; or it is opened for writing, and
            it is a link or has another name.
    """
    is_writing = bool(flags & _WRITING)
    # Truncated below, once it is known what was opened.
    safe_flags = flags & ~os.O_TRUNC | _SAFE_FLAGS | (_NOT_FOLLOWING if is_writing else 0)
    try:
        file = os.open(path, safe_flags, mode)
    except OSError as error:
        raise _explained(error, path) from None
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", os.fspath(path))
        if is_writing and status.st_nlink > 1:
            problem = "a hard link: writing would also change the file under its other name"
            raise OSError(errno.EMLINK, problem, os.fspath(path))
        if flags & os.O_TRUNC:
            os.ftruncate(file, 0)
    except OSError:
        os.close(file)
        raise
    return above_standard_streams(file)


def _explained(error: OSError, path: str | os.PathLike[str]) -> OSError:
    """Return an error that says in plain words that `open` met a link or a pipe."""
    if error.errno == errno.ELOOP and os.path.islink(path):  # noqa: PTH114
        return OSError(errno.ELOOP, "a link, which is not followed", os.fspath(path))
    if error.errno == errno.ENXIO:  # a pipe without a reader, a socket, or a missing device
        return OSError(errno.EINVAL, "not a regular file", os.fspath(path))
    return error


def read_file(path: Path, max_bytes: int) -> bytes:
    """Return the content of a regular file.

    Raises:
        OSError: It can't be read, is not a regular file, or has more than `max_bytes`.
    """
    with open(path, "rb", opener=open_file) as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise OSError(errno.EFBIG, f"more than {max_bytes:,} bytes", str(path))
    return content


MAX_LINE_BYTES = 2**28
"""Maximum size of a line in a file of a run: more than the buffer holds."""


def bounded_lines(file: IO[bytes], path: Path) -> Iterator[bytes]:
    """Yield the lines of an open file.

    Raises:
        OSError: A line has more than `MAX_LINE_BYTES`, as in a sparse file.
    """
    while line := file.readline(MAX_LINE_BYTES):
        if len(line) == MAX_LINE_BYTES:
            problem = f"a line of more than {MAX_LINE_BYTES:,} bytes"
            raise OSError(errno.EFBIG, problem, str(path))
        yield line


def make_folder(folder: Path) -> None:
    """Create a folder, with its parents, unless it exists.

    Raises:
        OSError: It can't be created, or is a link.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if folder.is_symlink():
        raise OSError(errno.ELOOP, "a link, which is not followed", str(folder))


def is_inside(folder: Path, path: Path) -> bool:
    """Whether a path is below a folder. A path with `..` is not."""
    return path != folder and path.is_relative_to(folder) and ".." not in path.parts


def check_own(folder: Path, path: Path) -> None:
    """Check that a sink's file or folder is in the run's folder, and that no link leads there.

    Files next to it that share its name (rotated, staged, or set aside) are checked as well.

    Args:
        folder: The run's folder.
        path: The file or folder of a sink.

    Raises:
        RunError: There is a link, a pipe or the like, or the path leads elsewhere.
    """
    if not is_inside(folder, path):
        raise RunError(f"{path}: not in the run's folder {folder}, so it is not changed")
    relative = path.relative_to(folder)
    for part in (relative, *relative.parents):
        if (folder / part).is_symlink() and part.parts:
            raise _refusal(folder, folder / part)
    # Some file systems ignore case.
    own, start = path.name.casefold(), f"{path.stem}.".casefold()
    check_entries(
        folder,
        path.parent,
        lambda name: name.casefold() == own or name.casefold().removeprefix(".").startswith(start),
    )


def check_entries(folder: Path, parent: Path, is_own: Callable[[str], bool]) -> None:
    """Check that entries of a folder are files and folders. Hidden ones are checked completely.

    Args:
        folder: The run's folder.
        parent: The folder to check: the run's, or one in it; it may be missing.
        is_own: Whether an entry is checked, given its name.

    Raises:
        RunError: One is a link, a pipe or the like.
    """
    if not parent.is_dir():
        return
    with os.scandir(parent) as entries:
        for entry in entries:
            if is_own(entry.name):
                for odd in _find_odd(entry, is_deep=entry.name.startswith(".")):
                    raise _refusal(folder, Path(odd.path))


def _find_odd(entry: os.DirEntry[str], is_deep: bool) -> Iterator[os.DirEntry[str]]:
    """Yield what is neither a regular file nor a folder, at an entry and below it."""
    if entry.is_dir(follow_symlinks=False):
        if is_deep:
            with os.scandir(entry.path) as entries:
                for inner in entries:
                    yield from _find_odd(inner, is_deep)
    elif not entry.is_file(follow_symlinks=False):
        yield entry


def _refusal(folder: Path, path: Path) -> RunError:
    what = "a link" if path.is_symlink() else "neither a file nor a folder"
    return RunError(
        f"{path}: {what}, and logflume writes only files that are really in {folder}. "
        "Replace it with a copy of its target (as `cp -rL` does), or remove it"
    )
