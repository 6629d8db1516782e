"""Runs the demo in a separate process."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass
class DemoRun:
    """A finished run of the demo.

    Attributes:
        folder: The run's folder.
        output: Its standard output.
        errors: Its standard error.
    """

    folder: Path
    output: str
    errors: str


def run_demo(folder: Path, *arguments: str) -> DemoRun:
    """Run `logflume demo` in a folder, and return the finished run."""
    result = subprocess.run(
        [sys.executable, "-m", "logflume", "demo", "--dir", "logs", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "100"},
    )
    assert 0 == result.returncode, result.stderr
    return DemoRun((folder / "logs" / "latest").resolve(), result.stdout, result.stderr)
