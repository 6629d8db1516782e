"""The commands that the demo suggests after a run."""

from __future__ import annotations

import shlex
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

__all__ = ["next_commands"]


def next_commands(folder: Path) -> list[str]:
    """Return shell commands that read the outputs of a run.

    Args:
        folder: The run's folder. Only outputs that exist in it get a command.
    """
    query = "select step, reward, loss from training order by step desc limit 5"
    commands = {"events.jsonl": [_tool("logflume"), "show", str(folder)]}
    if find_spec("duckdb"):  # installed with the extra `analysis`
        commands["parquet"] = [_tool("logflume"), "sql", str(folder), query]
    commands["tensorboard"] = [_tool("logflume"), "tensorboard", str(folder)]
    return [shlex.join(words) for name, words in commands.items() if (folder / name).exists()]


def _tool(name: str) -> str:
    """Return the command for a program of this Python environment, from the current folder."""
    path = Path(sys.executable).with_name(name)
    if shutil.which(name) == str(path):
        return name
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
