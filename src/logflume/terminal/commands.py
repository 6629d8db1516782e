"""Shell commands, as they can be typed in the current folder."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

__all__ = ["command", "short_path"]


def command(program: str, *arguments: str) -> str:
    """Return the command for a program of this Python environment.

    Args:
        program: Its name, such as `logflume`.
        arguments: Its arguments.
    """
    path = Path(sys.executable).with_name(program)
    shown = program if shutil.which(program) == str(path) else short_path(path)
    if shown != program and not path.exists():
        return shlex.join([short_path(Path(sys.executable)), "-m", program, *arguments])
    return shlex.join([shown, *arguments])


def short_path(path: Path) -> str:
    """Return a path, relative to the current folder if it is inside it."""
    try:
        here = Path.cwd()
    except OSError:  # the folder is gone
        return str(path)
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
