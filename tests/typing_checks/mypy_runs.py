"""Runs mypy as a user does: in a folder of its own, without the options of this repository."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SOURCES = [Path(__file__).parent / name for name in ("public_api.py", "misspelled.py")]

NO_ISSUES = f"Success: no issues found in {len(SOURCES)} source files\n"


def run_mypy(folder: Path, *options: str, config: str = "") -> str:
    """Check copies of the sources with `mypy --strict` in a folder, and return what it prints.

    Args:
        folder: An empty folder.
        options: Further options of the command line.
        config: Further lines of the configuration file.
    """
    (folder / "mypy.ini").write_text(f"[mypy]\n{config}")
    for source in SOURCES:
        (folder / source.name).write_text(source.read_text())
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", "/dev/null", *options]
    done = subprocess.run(
        [*command, *(source.name for source in SOURCES)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr
