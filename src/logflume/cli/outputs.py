"""`logflume outputs`: what the model wrote, to be read in the terminal."""

from __future__ import annotations

from typing import Annotated, Any

import rich.console
import rich.panel
import rich.text
import typer

from logflume.cli.base import JsonOption, RunArgument, find_run
from logflume.cli.printing import cell, print_json
from logflume.exceptions import QueryError
from logflume.query.open_run import open_run
from logflume.terminal.lines import escape

__all__ = ["outputs"]

_WIDTH = 100
"""Columns of a text that is not on a terminal."""


def outputs(
    run: RunArgument = "latest",
    step: Annotated[
        str | None,
        typer.Option(help="A step (400), or the first and the last (100:200).", show_default=False),
    ] = None,
    sort: Annotated[str, typer.Option(help="The reward: 'reward' is the total.")] = "reward",
    worst: Annotated[int | None, typer.Option(min=1, help="So many, the worst first.")] = None,
    best: Annotated[int | None, typer.Option(min=1, help="So many, the best first.")] = None,
    correct: Annotated[
        bool | None, typer.Option("--correct/--wrong", help="Only right, or only wrong answers.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Read completions, their rewards beside them. Without --worst or --best the last five.

    Example: logflume outputs latest --step 400 --sort reward --worst 5
    """
    by = "rewards/total" if sort == "reward" else f"rewards/{sort.removeprefix('rewards/')}"
    rows = open_run(find_run(run)).outputs(
        steps=_steps(step), correct=correct, worst=worst, best=best, by=by
    )
    if worst is None and best is None:
        rows = rows.slice(max(0, len(rows) - 5))
    found = [{n: v for n, v in row.items() if v is not None} for row in rows.to_pylist()]
    if json:
        print_json(found)
        return
    console = rich.console.Console(highlight=False)
    if not console.is_terminal:
        console = rich.console.Console(highlight=False, width=_WIDTH)
    for row in found:
        console.print(_panel(row))
    if not found:
        typer.echo("No completion is like that.", err=True)


def _steps(text: str | None) -> int | tuple[int | None, int | None] | None:
    if text is None:
        return None
    first, colon, last = text.partition(":")
    try:
        if colon:
            return (int(first) if first else None, int(last) if last else None)
        return int(first)
    except ValueError:
        raise QueryError(
            f"--step {text}: expected a step (400) or a range (100:200, 100:, :200)"
        ) from None


def _panel(row: dict[str, Any]) -> rich.panel.Panel:
    """Return a completion in a frame: where it is from above, what it was given below."""
    text = rich.text.Text()
    for name in ("question", "prompt"):
        if row.get(name):
            text.append(f"{_shown(row[name])}\n\n", style="dim")
            break
    text.append(_shown(row.get("model_output") or ""))
    place = [f"step {row.get('step')}"]
    place += [f"{name} {row[name]}" for name in ("mode", "group", "index") if name in row]
    text.append(f"\n\n{_judged(row)}", style="bold")
    return rich.panel.Panel(text, title=rich.text.Text(" · ".join(place)), title_align="left")


def _judged(row: dict[str, Any]) -> str:
    """Return what the completion was given: the total, the functions, the advantage."""
    names = sorted((n for n in row if n.startswith("rewards/")), key=lambda n: n != "rewards/total")
    given = [f"{escape(name.removeprefix('rewards/'))} {cell(row[name])}" for name in names]
    for name, field in (("advantage", "advantage"), ("true answer", "true_answer")):
        if field in row:
            given.append(f"{name} {cell(row[field])}")
    return "   ".join(given)


def _shown(text: str) -> str:
    """Return a text of several lines, whose other control characters can't do anything."""
    return "\n".join(escape(line) for line in text.split("\n"))
