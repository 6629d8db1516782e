"""The summary that the demo prints at the end of a run, and the commands that it suggests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from statistics import fmean

from logflume import report
from logflume.runs.info import RunInfo
from logflume.terminal.charts import sparkline
from logflume.terminal.commands import command

__all__ = ["print_summary"]

_COUNTS = ("accepted", "written", "dropped")


def print_summary(run: RunInfo, rewards: Sequence[float]) -> None:
    """Print the summary after the shutdown of a run, on rank 0 only.

    Args:
        run: The run.
        rewards: Mean total reward of each step, in order.
    """
    counts = report()
    if run.rank == 0 and counts is not None:
        print("", _describe_rewards(rewards), "", _table(counts.sinks), "", sep="\n")
        print(f"All outputs are in {run.folder}. Next:", *_next_commands(run.folder), sep="\n  ")


def _describe_rewards(rewards: Sequence[float]) -> str:
    if not rewards:
        return "Mean reward: no step was completed"
    count = min(5, (len(rewards) + 1) // 2)
    start, end = fmean(rewards[:count]), fmean(rewards[-count:])
    steps = f"first and last {count} of {len(rewards)} steps"
    return f"Mean reward: {start:.2f} → {end:.2f}   ({steps})\n  {sparkline(rewards)}"


def _table(sinks: Mapping[str, Mapping[str, int]]) -> str:
    width = max((len(name) for name in sinks), default=0)
    lines = [f"{'Events by sink':{width + 2}}" + "".join(f"{name:>10}" for name in _COUNTS)]
    lines += [
        f"  {name:{width}}" + "".join(f"{totals.get(key, 0):>10}" for key in _COUNTS)
        for name, totals in sinks.items()
    ]
    return "\n".join(lines)


def _next_commands(folder: Path) -> list[str]:
    """Return shell commands that read the outputs that exist in a run's folder."""
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
