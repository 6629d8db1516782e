"""Syncing files to the disk: what is only in the system's cache is lost if the machine fails."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

from logflume.resources import above_standard_streams
from logflume.runs.safe_files import open_file

__all__ = ["sync", "sync_entry", "sync_file"]

_UNSUPPORTED = (errno.EBADF, errno.EINVAL)
"""Errors of file systems that can't `fsync` folders. These write names on their own."""


def sync(descriptor: int) -> None:
    """Return once the content of an open file is on the disk.

    Raises:
        OSError: It is unknown how much is on the disk. A second call may succeed, but means
            nothing: after a failed `fsync`, the system may have discarded what it could not write.
    """
    if sys.platform == "darwin":  # `fsync` leaves it in the cache of the disk
        import fcntl

        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
    else:
        os.fsync(descriptor)


def sync_file(path: Path) -> None:
    """Return once the content of a file is on the disk; see `sync`."""
    file = open_file(path, os.O_RDWR)
    try:
        sync(file)
    finally:
        os.close(file)


def sync_entry(path: Path) -> None:
    """Return once the name of a file, and that of its folder, are on the disk; see `sync`."""
    if sys.platform == "win32":
        return  # folders can't be opened
    for folder in (path.parent, path.parent.parent):
        file = above_standard_streams(os.open(folder, os.O_RDONLY))
        try:
            os.fsync(file)
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise
        finally:
            os.close(file)
