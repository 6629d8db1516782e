"""The short summary at the end of a demo run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from logflume import report
from logflume.demo.next_steps import next_commands
from logflume.runs.info import RunInfo
from logflume.terminal.sparkline import sparkline

__all__ = ["print_summary", "summarize"]

_COUNTS = ("accepted", "written", "dropped")


def print_summary(run: RunInfo, rewards: Sequence[float]) -> None:
    """Print the summary of a run that is shut down, once for all ranks."""
    counts = report()
    if run.rank == 0 and counts is not None:
        commands = next_commands(run.folder)
        print("\n" + summarize(rewards, counts.sinks, str(run.folder), commands))


def summarize(
    rewards: Sequence[float],
    sinks: Mapping[str, Mapping[str, int]],
    folder: str,
    commands: Sequence[str],
) -> str:
    """Return the summary, several lines.

    Args:
        rewards: Mean total reward of each step, in order.
        sinks: By sink, how many events it was given (`accepted`), took (`written`) and
            lost (`dropped`).
        folder: The run's folder.
        commands: What can be typed next.
    """
    following = "\n  ".join([f"Everything is in {folder}. Next:", *commands])
    return "\n\n".join([_describe_rewards(rewards), _table(sinks), following])


def _describe_rewards(rewards: Sequence[float]) -> str:
    if not rewards:
        return "Mean reward: no step was finished"
    count = min(5, (len(rewards) + 1) // 2)
    start, end = fmean(rewards[:count]), fmean(rewards[-count:])
    which = f"the first and the last {count} of {len(rewards)} steps"
    return f"Mean reward: {start:.2f} → {end:.2f}   ({which})\n  {sparkline(rewards)}"


def _table(sinks: Mapping[str, Mapping[str, int]]) -> str:
    width = max((len(name) for name in sinks), default=0)
    lines = [f"{'Events by sink':{width + 2}}" + "".join(f"{name:>10}" for name in _COUNTS)]
    lines += [
        f"  {name:{width}}" + "".join(f"{totals.get(key, 0):>10}" for key in _COUNTS)
        for name, totals in sinks.items()
    ]
    return "\n".join(lines)
