"""Processes that start within milliseconds, forked from one that has imported everything.

The fork server has neither a thread nor a pipeline, so each of its children starts clean.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

__all__ = ["ROOT", "ForkServer"]

ROOT = Path(__file__).parents[2]
DEADLINE_S = 120.0
"""How long a process may run before it counts as hanging."""


class ForkServer:
    """A fork server with at most one child at a time."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.torture.fork_server"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        self._pid = 0

    def __enter__(self) -> ForkServer:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _t: TracebackType | None,
    ) -> None:
        if self._pid:
            self.send_signal(signal.SIGKILL)
        self._process.__exit__(None, None, None)

    def start(self, program: str, **arguments: Any) -> None:
        """Start a child that calls `program` with keyword arguments.

        Args:
            program: A function, as `module:function`.
            arguments: Its arguments. The name `errors` is reserved: the path of a file for the
                child's output.
        """
        command: Mapping[str, Any] = {"program": program, "arguments": arguments}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command, default=str).encode() + b"\n")
        self._pid = int(self._line())

    def send_signal(self, number: signal.Signals) -> None:
        """Send the child a signal."""
        os.kill(self._pid, number)

    def wait(self, timeout_s: float) -> bool:
        """Wait until the child has ended; return False if the timeout expires first."""
        assert self._process.stdout is not None
        return bool(select.select([self._process.stdout], [], [], timeout_s)[0])

    def join(self, timeout_s: float = DEADLINE_S) -> int | None:
        """Wait for the child to end, and kill it if it hangs.

        Returns:
            The exit code, or the negative number of the signal; None if the child hung.
        """
        hangs = not self.wait(timeout_s)
        if hangs:
            self.send_signal(signal.SIGKILL)
        code = int(self._line())
        self._pid = 0
        return None if hangs else code

    def run(self, program: str, **arguments: Any) -> int | None:
        """Start a child and wait for it to end; see `start` and `join`."""
        self.start(program, **arguments)
        return self.join()

    def _line(self) -> bytes:
        assert self._process.stdout is not None
        return self._process.stdout.readline()
