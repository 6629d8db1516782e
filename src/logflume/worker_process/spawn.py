"""Starting the child process, and the pipes to it."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from weakref import WeakSet

from msgspec import Struct

from logflume.worker_process.wire import Connection, Filled

__all__ = ["Child", "spawn"]

_ALLOCATORS = {
    "MALLOC_TRIM_THRESHOLD_": "8388608",
    "MALLOC_MMAP_THRESHOLD_": "1048576",
    "MIMALLOC_PURGE_DELAY": "0",
}
"""What becomes of free memory. The C library keeps 8 MB for the next batch of events: to have it
from the system each time takes a sixth of all CPU. Arrow's allocator returns it at once, for
the next table comes much later."""

_PIPE_BYTES = 2**20
"""What Linux lets everybody have: more than most parcels. In a smaller pipe the training's thread
waits for the child in the middle of one, and afterwards for Python's lock again."""


class Child(Struct):
    """The child process.

    Attributes:
        process: The process.
        link: Our end of the pipes.
        filled: Tells it that our buffer holds something new.
    """

    process: subprocess.Popen[bytes]
    link: Connection
    filled: Filled

    def end(self, timeout_s: float) -> None:
        """Wait until the process has ended; kill it if that takes longer."""
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


_links: WeakSet[Connection] = WeakSet()


def spawn(claims: Sequence[int]) -> Child:
    """Start the process, in a session of its own: Ctrl-C and a lost terminal are for the training.

    Args:
        claims: Descriptors that it holds open as long as it lives: the claims on the run.

    Raises:
        OSError: The system starts no process now.
    """
    filled = Filled.create()
    to_child = _wide_pipe()
    to_us = os.pipe()
    theirs = (to_child[0], to_us[1], filled)
    # It finds modules where this process finds them, whoever has changed the path since.
    environ = {
        **_ALLOCATORS,
        **os.environ,
        "PYTHONPATH": os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path),
    }
    try:
        memory = Filled(filled)
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "logflume.worker_process", *map(str, theirs)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=(*theirs, *claims),
            start_new_session=True,
            env=environ,
        )
    except OSError:
        for file in (to_child[1], to_us[0]):
            os.close(file)
        raise
    finally:
        for file in theirs:
            os.close(file)
    link = Connection(to_us[0], to_child[1])
    _links.add(link)
    return Child(process, link, memory)


def _wide_pipe() -> tuple[int, int]:
    reading, writing = os.pipe()
    if sys.platform == "linux":
        with suppress(OSError):  # the user's pipes together have had their share
            fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    return reading, writing


def _leave_to_parent() -> None:
    """Close what a forked process has inherited: the child would never see the end of the pipe."""
    for link in _links:
        link.close()


os.register_at_fork(after_in_child=_leave_to_parent)
