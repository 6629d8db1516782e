"""A byte of memory that two processes share: whether the training's buffer holds something new."""

from __future__ import annotations

import mmap
import os
import tempfile

__all__ = ["Filled"]


class Filled:
    """The byte. To set it costs a log call nothing; a pipe would cost it the interpreter's lock.

    Args:
        descriptor: The file behind it, from `create`.
    """

    def __init__(self, descriptor: int) -> None:
        self.byte = mmap.mmap(descriptor, 1)

    @staticmethod
    def create() -> int:
        """Return the descriptor of a new one, for both processes.

        Raises:
            OSError: There is no room for a file.
        """
        if hasattr(os, "memfd_create"):
            descriptor = os.memfd_create("logflume")
        else:
            with tempfile.TemporaryFile() as file:
                descriptor = os.dup(file.fileno())
        os.truncate(descriptor, 1)
        return descriptor

    def take(self) -> bool:
        """Return whether something came since the last time."""
        is_set = self.byte[0] != 0
        if is_set:
            self.byte[0] = 0
        return is_set
