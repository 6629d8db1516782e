"""`logflume outputs`: shows completions in the terminal."""

from __future__ import annotations

from typing import Annotated, Any

import rich.panel
import rich.text
import typer

from logflume.cli.base import JsonOption, RunArgument, find_run, parse_steps
from logflume.cli.printing import cell, console, echo, print_json
from logflume.query.open_run import open_run
from logflume.terminal.escape import escape, escape_lines

__all__ = ["outputs"]

_WIDTH = 100
"""Width of the output if it is not a terminal, in columns."""


def outputs(
    run: RunArgument = "latest",
    step: Annotated[
        str | None,
        typer.Option(help="A step (400), or a range of steps (100:200).", show_default=False),
    ] = None,
    sort: Annotated[
        str, typer.Option(help="The reward function to sort by; 'reward' is the total.")
    ] = "reward",
    worst: Annotated[int | None, typer.Option(min=1, help="Only this many, worst first.")] = None,
    best: Annotated[int | None, typer.Option(min=1, help="Only this many, best first.")] = None,
    correct: Annotated[
        bool | None, typer.Option("--correct/--wrong", help="Only correct, or only wrong answers.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Show completions with their rewards: the last five, unless --worst or --best is given.

    Example: logflume outputs latest --step 400 --sort reward --worst 5
    """
    by = "rewards/total" if sort == "reward" else f"rewards/{sort.removeprefix('rewards/')}"
    rows = open_run(find_run(run)).outputs(
        steps=parse_steps(step), correct=correct, worst=worst, best=best, by=by
    )
    if worst is None and best is None:
        rows = rows.slice(max(0, len(rows) - 5))
    completions = [{n: v for n, v in row.items() if v is not None} for row in rows.to_pylist()]
    if json:
        print_json(completions)
        return
    for row in completions:
        console(_WIDTH).print(_panel(row))
    if not completions:
        echo("No completions match.", err=True)


def _panel(row: dict[str, Any]) -> rich.panel.Panel:
    """Return a completion in a panel: its step and group on top, its rewards at the bottom."""
    text = rich.text.Text()
    for name in ("question", "prompt"):
        if row.get(name):
            text.append(f"{escape_lines(row[name])}\n\n", style="dim")
            break
    text.append(escape_lines(row.get("model_output") or ""))
    title = [f"step {cell(row.get('step'))}"]
    title += [f"{name} {cell(row[name])}" for name in ("mode", "group", "index") if name in row]
    text.append(f"\n\n{_scores(row)}", style="bold")
    return rich.panel.Panel(text, title=rich.text.Text(" · ".join(title)), title_align="left")


def _scores(row: dict[str, Any]) -> str:
    """Return the scores of a completion: the total, each reward function, the advantage."""
    names = sorted((n for n in row if n.startswith("rewards/")), key=lambda n: n != "rewards/total")
    scores = [f"{escape(name.removeprefix('rewards/'))} {cell(row[name])}" for name in names]
    for name, field in (("advantage", "advantage"), ("true answer", "true_answer")):
        if field in row:
            scores.append(f"{name} {cell(row[field])}")
    return "   ".join(scores)
