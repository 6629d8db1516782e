"""Running the command line as a user does."""

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


def ask(folder: Path, *arguments: str) -> str:
    """Run a command that has to succeed without a word on standard error; return what it says."""
    done = run(folder, *arguments)
    assert (0, "") == (done.returncode, done.stderr)
    return done.stdout


def refuse(folder: Path, *arguments: str) -> str:
    """Run a command that has to fail for a reason; return the reason."""
    done = run(folder, *arguments)
    assert (1, "") == (done.returncode, done.stdout)
    assert "Traceback" not in done.stderr
    return done.stderr
