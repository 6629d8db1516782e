"""Who writes a file: a claim that only one live process can have.

It is a lock of the operating system, which releases it whatever ends the process: after a
`kill -9` or a reboot nothing has to be cleaned up. `flock` is taken, not `lockf`: that one is lost
when anything in the process reads the file, such as an upload of the run's folder.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from logflume.events.times import format_time
from logflume.exceptions import RunError

if sys.platform != "win32":
    import fcntl

__all__ = ["FileLock", "LockHolder", "claim", "find_holder", "is_locked"]

_TAKEN = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)


class LockHolder(msgspec.Struct):
    """The process that has a claim, as its lock file tells.

    Attributes:
        host: Name of its machine.
        pid: Its process id.
        since: When it took the claim, RFC 3339.
    """

    host: str
    pid: int
    since: str


class FileLock:
    """A claim that this process has.

    Args:
        path: The lock file.
        file: Its descriptor.
        made: The folders that were made for it, the innermost first.
        fault: Why it keeps nobody out; empty if it does.

    Attributes:
        fault: As given.
    """

    def __init__(self, path: Path, file: int, made: Sequence[Path], fault: str) -> None:
        self.fault = fault
        self._path = path
        self._file = file
        self._made = made
        _open_files.add(file)

    @property
    def descriptor(self) -> int:
        """The descriptor of the lock file. A process that inherits it has the claim, too."""
        return self._file

    def release(self) -> None:
        """Let others have it, and leave no lock file and no empty folder behind.

        Called again it does nothing.
        """
        if self._file not in _open_files:
            return
        with contextlib.suppress(OSError):  # the folder may be gone, or hold the files of a run
            self._path.unlink()
            for folder in self._made:
                folder.rmdir()
        _open_files.discard(self._file)
        _close(self._file)


_open_files: set[int] = set()


def claim(path: Path) -> FileLock | None:
    """Take the claim on a lock file, which is made if missing; None if somebody has it.

    Where the file system has no locks (some NFS and Lustre mounts), and on Windows, the claim is
    given to everybody, and its `fault` says so.

    Raises:
        RunError: The lock file can't be opened.
    """
    while True:
        made = [folder for folder in path.parents if not folder.exists()]
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise RunError(f"{path.parent}: runs can't be written here: {error}") from error
        fault = ""
        try:
            _lock(file)
        except OSError as error:
            if error.errno in _TAKEN:
                _close(file)
                return None
            fault = f"there are no locks here ({error})"
        if fault or _is_at(path, file):
            _sign(file)
            return FileLock(path, file, made, fault)
        _close(file)  # its last holder removed it a moment ago


def is_locked(path: Path) -> bool:
    """Whether a live process has the claim; False where there are no locks to tell by."""
    try:
        file = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        _lock(file, is_shared=True)
    except OSError as error:
        return error.errno in _TAKEN
    finally:
        os.close(file)
    return False


def find_holder(path: Path) -> LockHolder | None:
    """Return who has the claim; None if that can't be told."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=LockHolder)
    except (OSError, msgspec.DecodeError):
        return None  # it has the claim for a moment only, and has not signed yet


def _lock(file: int, is_shared: bool = False) -> None:
    if sys.platform == "win32":
        raise OSError(errno.ENOSYS, "not on Windows")
    fcntl.flock(file, (fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)


def _is_at(path: Path, file: int) -> bool:
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False


def _sign(file: int) -> None:
    holder = LockHolder(socket.gethostname(), os.getpid(), format_time(time.time_ns()))
    with contextlib.suppress(OSError):  # on a full disk the claim holds without a name, too
        os.ftruncate(file, 0)
        os.pwrite(file, msgspec.json.encode(holder) + b"\n", 0)


def _close(file: int) -> None:
    with contextlib.suppress(OSError):  # a bad disk has nothing of ours left to write
        os.close(file)


def _leave_to_parent() -> None:
    """Close what a forked child has inherited: it would hold the claims of a parent that died."""
    for file in _open_files:
        _close(file)
    _open_files.clear()


os.register_at_fork(after_in_child=_leave_to_parent)
