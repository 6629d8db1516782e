"""Helpers that run the command line as a user does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `logflume` with these arguments in a folder."""
    return subprocess.run(
        [sys.executable, "-m", "logflume", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "100"},
    )


def check_output(folder: Path, *arguments: str) -> str:
    """Run a command that must succeed with empty standard error; return its standard output."""
    done = run(folder, *arguments)
    assert (0, "") == (done.returncode, done.stderr), done.stderr
    return done.stdout


def check_error(folder: Path, *arguments: str) -> str:
    """Run a command that must fail with an error message; return the message."""
    done = run(folder, *arguments)
    assert (1, "") == (done.returncode, done.stdout)
    assert "Traceback" not in done.stderr
    return done.stderr
