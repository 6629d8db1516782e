"""File locks that keep a second process from writing the same run and rank.

The operating system holds the lock and releases it however the process ends, so nothing has to be
cleaned up after a `kill -9` or a reboot. The lock is taken with `flock` rather than `lockf`: a
`lockf` lock is lost as soon as anything in the process opens and closes the file, such as an upload
of the run's folder.

On some network and FUSE file systems, a lock is not visible to other machines. The holder therefore
also increases a counter in the lock file. A process on another machine that gets the lock, but sees
the counter increase, gives it up.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from logflume.events.times import format_time
from logflume.exceptions import RunError
from logflume.runs.safe_files import open_file, read_file
from logflume.threads import start_thread

if sys.platform != "win32":
    import fcntl

__all__ = ["LOCK_FILE", "FileLock", "LockHolder", "acquire", "find_holder", "is_locked"]

LOCK_FILE = "{dir}/{run}/run.lock"
"""Path of the lock file of a run, for `RunInfo.expand`."""

BEAT_INTERVAL_S = 2.0
"""Interval at which the counter in the lock file is increased, in seconds."""

BEAT_TIMEOUT_S = 7.0
"""How long a process on another machine waits for the counter to increase, in seconds."""

_POLL_INTERVAL_S = 0.05

_MAX_BYTES = 65_536
"""Maximum size of a lock file: a larger one was not written by a holder."""

_HELD_ERRORS = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)


class LockHolder(msgspec.Struct):
    """The process that holds a lock, as written in its lock file.

    Attributes:
        host: Name of its machine.
        pid: Its process id.
        since: When it acquired the lock, RFC 3339.
        worker_pid: Id of its worker process, which also holds the lock; None without one.
        beat: The counter that it increases while it runs.
    """

    host: str
    pid: int
    since: str
    worker_pid: int | None = None
    beat: int = 0

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"

    def is_running(self) -> bool:
        """Whether the process is running; also True on another machine, where that is unknown."""
        return self.host != socket.gethostname() or _is_running(self.pid, self.since)

    def has_running_worker(self) -> bool:
        """Whether the worker process is running, on this machine."""
        return (
            self.worker_pid is not None
            and self.host == socket.gethostname()
            and _is_running(self.worker_pid)
        )


class FileLock:
    """A lock that this process holds.

    Args:
        path: The lock file.
        file: Its file descriptor.
        created: The folders that were created for it, innermost first.
        fault: Why the lock excludes no other process; empty if it does.

    Attributes:
        fault: As given.
    """

    def __init__(self, path: Path, file: int, created: Sequence[Path], fault: str) -> None:
        self.fault = fault
        self._path = path
        self._file = file
        self._created = created
        self._holder = LockHolder(socket.gethostname(), os.getpid(), format_time(time.time_ns()))
        self._write_holder()
        self._change = threading.RLock()  # a signal handler may release the lock during a release
        self._released = threading.Event()
        _open_files.add(file)

    @property
    def descriptor(self) -> int:
        """The file descriptor of the lock file. A process that inherits it holds the lock, too."""
        return self._file

    def note_worker(self, worker_pid: int) -> None:
        """Note the worker process, which has inherited the descriptor, in the lock file."""
        self._holder.worker_pid = worker_pid
        self._write_holder()

    def watch(self, report: Callable[[LockHolder], None]) -> None:
        """Increase the counter in the lock file from now on, until the lock is released.

        Args:
            report: Called once if another process also writes the lock file, with that process.
                Both started at the same time, so neither noticed the other.
        """

        def run() -> None:
            has_reported = False
            while not self._released.wait(BEAT_INTERVAL_S):
                other = self._beat()
                if other is not None and not has_reported:
                    has_reported = True
                    report(other)

        start_thread("lock", run)

    def release(self) -> None:
        """Release the lock, and remove the lock file and any folder created for it that is empty.

        Further calls do nothing.
        """
        self._released.set()
        with self._change:
            if self._file not in _open_files:
                return
            with contextlib.suppress(OSError):  # the folder may be gone or contain a run's files
                self._path.unlink()
                for folder in self._created:
                    folder.rmdir()
            _open_files.discard(self._file)
            _close(self._file)

    def _beat(self) -> LockHolder | None:
        """Increase the counter, and return another holder that has written the file meanwhile."""
        with self._change:
            if self._released.is_set():
                return None
            # Opened again: over NFS that shows what other machines wrote, and closing sends this.
            try:
                with open(self._path, "r+b", opener=open_file) as file:
                    found = _decode(file.read(_MAX_BYTES))
                    self._holder.beat += 1
                    file.seek(0)
                    file.write(msgspec.json.encode(self._holder) + b"\n")
                    file.truncate()
            except OSError:
                return None
        is_own = found is None or (found.host, found.pid) == (self._holder.host, self._holder.pid)
        return None if is_own else found

    def _write_holder(self) -> None:
        content = msgspec.json.encode(self._holder) + b"\n"
        with contextlib.suppress(OSError):  # the lock works without a name, such as on a full disk
            os.pwrite(self._file, content, 0)
            os.ftruncate(self._file, len(content))


_open_files: set[int] = set()


def acquire(path: Path) -> FileLock | None:
    """Acquire the lock on a file, which is created if missing; None if another process holds it.

    If a process of another machine left the file, this waits for up to seven seconds to see whether
    that process is still running.

    On a file system without locks (some NFS and Lustre mounts), and on Windows, every process gets
    the lock, and its `fault` says why it excludes no other process.

    Raises:
        RunError: The lock file can't be opened.
    """
    while True:
        created = [folder for folder in path.parents if not folder.exists()]
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = open_file(path, os.O_RDWR | os.O_CREAT)
        except OSError as error:
            raise RunError(f"{path.parent}: runs can't be written here: {error}") from error
        fault = ""
        try:
            _lock(file)
        except OSError as error:
            if error.errno in _HELD_ERRORS:
                _close(file)
                return None
            fault = f"file locks are not supported here ({error})"
        if _is_live_elsewhere(path):
            _close(file)
            return None
        if fault or _is_at(path, file):
            return FileLock(path, file, created, fault)
        _close(file)  # the previous holder has just removed the file


def is_locked(path: Path) -> bool:
    """Whether a live process holds the lock; False if that is unknown."""
    try:
        file = open_file(path, os.O_RDONLY)
    except OSError:  # no such file, no lock file, or one that this user may not read
        return False
    try:
        _lock(file, is_shared=True)
    except OSError as error:
        return error.errno in _HELD_ERRORS
    finally:
        os.close(file)
    return False


def find_holder(path: Path) -> LockHolder | None:
    """Return the process that holds the lock; None if that is unknown."""
    try:
        return _decode(read_file(path, _MAX_BYTES))
    except OSError:
        return None


def _decode(content: bytes) -> LockHolder | None:
    """Return the holder; None if it has just acquired the lock and not written the file yet."""
    try:
        return msgspec.json.decode(content, type=LockHolder)
    except (msgspec.DecodeError, RecursionError):
        return None


def _is_live_elsewhere(path: Path) -> bool:
    """Whether a process of another machine increases the counter in a lock file."""
    deadline_s = time.monotonic() + BEAT_TIMEOUT_S
    first = now = find_holder(path)
    while first is not None and first.host != socket.gethostname():
        if now is not None and now != first:
            return True
        if time.monotonic() >= deadline_s or not path.exists():
            return False
        time.sleep(_POLL_INTERVAL_S)
        now = find_holder(path)
    return False


def _lock(file: int, is_shared: bool = False) -> None:
    if sys.platform == "win32":
        raise OSError(errno.ENOSYS, "not on Windows")
    fcntl.flock(file, (fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)


def _is_at(path: Path, file: int) -> bool:
    """Whether the open file is still the one at the path."""
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False


def _is_running(pid: int, started_by: str | None = None) -> bool:
    """Whether a process of this machine is running, and had started by a given time."""
    import psutil

    try:
        process = psutil.Process(pid)
        started_s = process.create_time() - 1.0  # known only to a hundredth of a second
        is_later = (
            started_by is not None and started_s > datetime.fromisoformat(started_by).timestamp()
        )
        return not is_later and process.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except (psutil.NoSuchProcess, ValueError, OverflowError):  # or no such id, or no such time
        return False
    except psutil.Error:
        return True


def _close(file: int) -> None:
    with contextlib.suppress(OSError):  # no data is pending, so a failing disk loses none
        os.close(file)


def _close_after_fork() -> None:
    """Close the inherited lock files: a forked child would keep the locks of a parent that died."""
    for file in _open_files:
        _close(file)
    _open_files.clear()


os.register_at_fork(after_in_child=_close_after_fork)
