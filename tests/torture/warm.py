"""Processes that cost a few milliseconds: forked from one that has imported all there is.

The warm process has no thread and no pipeline of its own, so its children are as good as new.
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

__all__ = ["ROOT", "Warm"]

ROOT = Path(__file__).parents[2]
DEADLINE_S = 120.0
"""How long a process may take to end before it counts as hanging."""


class Warm:
    """A warm process, and at most one child of it at a time."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.torture.server"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        self._pid = 0

    def __enter__(self) -> Warm:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _t: TracebackType | None,
    ) -> None:
        if self._pid:
            self.kill(signal.SIGKILL)
        self._process.__exit__(None, None, None)

    def start(self, program: str, **arguments: Any) -> None:
        """Start a child that calls `module:function` with keyword arguments."""
        command: Mapping[str, Any] = {"program": program, "arguments": arguments}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command, default=str).encode() + b"\n")
        self._pid = int(self._line())

    def kill(self, number: signal.Signals) -> None:
        """Send the child a signal."""
        os.kill(self._pid, number)

    def wait(self, timeout_s: float) -> bool:
        """Wait until the child has ended; False if it took longer."""
        assert self._process.stdout is not None
        return bool(select.select([self._process.stdout], [], [], timeout_s)[0])

    def end(self, timeout_s: float = DEADLINE_S) -> int | None:
        """Wait for the end; return the exit code, or minus the signal; None if it hung."""
        hangs = not self.wait(timeout_s)
        if hangs:
            self.kill(signal.SIGKILL)
        code = int(self._line())
        self._pid = 0
        return None if hangs else code

    def run(self, program: str, **arguments: Any) -> int | None:
        """Start a child and wait for its end."""
        self.start(program, **arguments)
        return self.end()

    def _line(self) -> bytes:
        assert self._process.stdout is not None
        return self._process.stdout.readline()
