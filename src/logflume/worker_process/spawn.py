"""Starting the worker process, and the pipes to it."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from weakref import WeakSet

from msgspec import Struct

from logflume.resources import above_standard_streams
from logflume.worker_process.wire import Connection

__all__ = ["WorkerChild", "spawn"]

_SCRIPT = Path(__file__).with_name("__main__.py")

_ALLOCATORS = {
    "MALLOC_TRIM_THRESHOLD_": "8388608",
    "MALLOC_MMAP_THRESHOLD_": "1048576",
    "MALLOC_ARENA_MAX": "1",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
}
"""What becomes of free memory. The C library keeps 8 MB for the next batch of events: requesting it
from the system each time takes a sixth of all CPU. Arrow uses the C library, too, and all threads
one arena: each allocator and arena keeps memory of its own, and a machine has a worker process for
each of its ranks."""

_PIPE_BYTES = 2**20
"""What Linux grants to every user, which is more than most batches need. With a smaller pipe the
sender waits for the worker process in the middle of a batch, and then for the interpreter's
lock."""


class WorkerChild(Struct):
    """The worker process, as its parent sees it.

    Attributes:
        process: The process.
        connection: This end of the pipes.
    """

    process: subprocess.Popen[bytes]
    connection: Connection

    def end(self, timeout_s: float) -> None:
        """Wait until the process has ended; kill it if that takes longer."""
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


_connections: WeakSet[Connection] = WeakSet()


def spawn(locks: Sequence[int]) -> WorkerChild:
    """Start the process in its own session: Ctrl-C and a lost terminal affect only the training.

    Args:
        locks: Descriptors of the run's file locks, which the process holds while it lives.

    Raises:
        OSError: The system can't start a process now.
    """
    with ExitStack() as on_error:
        to_child, to_parent = _pipe(on_error, _PIPE_BYTES), _pipe(on_error)
        process = subprocess.Popen(
            [sys.executable, "-P", str(_SCRIPT), str(to_child[0]), str(to_parent[1])],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=None if _is_open(2) else subprocess.DEVNULL,
            pass_fds=[to_child[0], to_parent[1], *locks],
            start_new_session=True,
            env={**_ALLOCATORS, **os.environ},
        )
        on_error.pop_all()
        for descriptor in (to_child[0], to_parent[1]):
            os.close(descriptor)
    connection = Connection(to_parent[0], to_child[1])
    _connections.add(connection)
    child = WorkerChild(process, connection)
    with suppress(OSError):  # whoever waits for an answer notices that it has ended
        connection.send(_module_path())
    return child


def _pipe(on_error: ExitStack, size_bytes: int | None = None) -> tuple[int, int]:
    reading, writing = map(above_standard_streams, os.pipe())
    on_error.callback(os.close, reading)
    on_error.callback(os.close, writing)
    if size_bytes is not None and sys.platform == "linux":
        with suppress(OSError):  # the user's pipes have reached their limit
            fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, size_bytes)
    return reading, writing


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def _module_path() -> list[str]:
    """Return the absolute entries of `sys.path`, without those that imports ignore: any but a str.

    The current folder, which is an empty entry in an interactive session, is left out: a process
    that runs in the background must not import files from there.
    """
    texts = (str.__str__(entry) for entry in sys.path if isinstance(entry, str))
    return list(filter(os.path.isabs, texts))


def _leave_to_parent() -> None:
    """Close inherited pipes in a forked process: else the worker process never sees their end."""
    for connection in _connections:
        connection.close()


os.register_at_fork(after_in_child=_leave_to_parent)
