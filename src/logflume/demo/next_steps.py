"""The commands that the demo suggests after a run."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from logflume.terminal.commands import command

__all__ = ["next_commands"]


def next_commands(folder: Path) -> list[str]:
    """Return shell commands that read the outputs of a run.

    Args:
        folder: The run's folder. Only outputs that exist in it get a command.
    """
    query = "select step, reward, loss from training order by step desc limit 5"
    journal = "events.jsonl"
    commands = []
    if find_spec("uvicorn"):  # installed with the extra `ui`
        commands.append((journal, command("logflume", "ui", str(folder))))
    commands.append((journal, command("logflume", "show", str(folder))))
    if find_spec("duckdb"):  # installed with the extra `analysis`
        commands.append(("parquet", command("logflume", "sql", str(folder), query)))
    commands.append(("tensorboard", command("logflume", "tensorboard", str(folder))))
    return [text for name, text in commands if (folder / name).exists()]
