"""`logflume outputs`: shows completions in the terminal."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer

from logflume.cli.base import (
    JsonOption,
    ModeOption,
    RunArgument,
    StepOption,
    open_one,
    parse_steps,
    print_no_match,
    warnings_as_lines,
)
from logflume.cli.printing import cell, console, print_json
from logflume.exceptions import QueryError
from logflume.terminal.compact_numbers import number_text
from logflume.terminal.escape import escape, escape_lines

if TYPE_CHECKING:
    import pyarrow as pa
    import rich.console
    import rich.panel
    import rich.text

    from logflume.query.open_run import Run

__all__ = ["outputs"]

_WIDTH = 100
"""Width of the output if it is not a terminal, in columns."""

_FRAME_WIDTH = 4
_GAP = "   "
_DEFAULT_COUNT = 5
_LESS_OPTIONS = "FRX"
"""Options for `less`, as git sets them: quit if all fits, show colours, don't clear the screen."""

Ranges = Mapping[str, tuple[float, float]]
"""The lowest and the highest value of each reward function in the run."""


def outputs(
    run: RunArgument = "latest",
    step: StepOption = None,
    mode: ModeOption = None,
    group: Annotated[
        int | None, typer.Option(help="Only this group: a prompt within a generation.")
    ] = None,
    grep: Annotated[
        str | None,
        typer.Option(
            metavar="REGEX",
            help="Only those whose prompt or text matches; '(?i)' at the start ignores case.",
        ),
    ] = None,
    sort: Annotated[
        str | None,
        typer.Option(
            help="The reward function, or another number, for --worst or --best; by default "
            "'reward', the total.",
            show_default=False,
        ),
    ] = None,
    worst: Annotated[int | None, typer.Option(min=1, help="Only the N worst, worst first.")] = None,
    best: Annotated[int | None, typer.Option(min=1, help="Only the N best, best first.")] = None,
    last: Annotated[
        int, typer.Option("--last", "-n", min=1, help="Only the last N.")
    ] = _DEFAULT_COUNT,
    correct: Annotated[
        bool | None, typer.Option("--correct/--wrong", help="Only correct, or only wrong answers.")
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            help="Also show this field: a name or a pattern ('quality/*'); may be repeated.",
            show_default=False,
        ),
    ] = None,
    pager: Annotated[
        bool, typer.Option(help="Show what doesn't fit the terminal in a pager.")
    ] = True,
    json: JsonOption = False,
) -> None:
    """Show completions with their rewards: the last five, unless --worst or --best is given.

    Example: logflume outputs latest --step 400 --sort reward --worst 5

    Example: logflume outputs latest --wrong --grep 'sorry|cannot' --column 'quality/*'
    """
    opened = open_one(run)
    steps = parse_steps(step)
    chosen = {"mode": mode, "group": group}
    groups = [{name: value for name, value in chosen.items() if value is not None}]
    if sort is not None and worst is None and best is None:
        raise QueryError(f"--sort {sort}: it needs --worst or --best; the last ones aren't sorted")
    if worst is not None and best is not None:
        raise QueryError("--worst and --best can't be combined")
    with warnings_as_lines():
        rows = opened.outputs(
            steps=steps,
            correct=correct,
            worst=worst,
            best=best,
            by="rewards/total" if sort in (None, "reward") else sort,
            search=grep,
            regex=grep is not None,
            groups=groups if groups != [{}] else None,
            last=last if worst is None and best is None else None,
        ).arrow
    if not len(rows) and group is not None:
        _check_groups(opened)
    extra = _select_columns(rows, column or ())
    completions = [{n: v for n, v in row.items() if v is not None} for row in rows.to_pylist()]
    if json:
        print_json(completions)
        return
    if not completions:
        print_no_match(opened, "completions")
        return
    target = console(_WIDTH)
    ranges = _reward_ranges(opened) if target.is_terminal else {}
    inner = target.width - _FRAME_WIDTH
    panels = [_panel(row, extra, grep, ranges, inner) for row in completions]
    _show(target, panels, with_pager=pager)


def _check_groups(run: Run) -> None:
    """Check that any completion has a group.

    Raises:
        QueryError: None has one.
    """
    from logflume.query.columns import optional

    groups = run.outputs(columns=[optional("group")]).arrow
    if all(column.null_count == len(groups) for column in groups.columns):
        raise QueryError("--group: the completions of this run were logged without a group")


def _select_columns(rows: pa.Table, patterns: Sequence[str]) -> list[str]:
    """Return the columns to show in addition.

    Raises:
        QueryError: There is no such column.
    """
    from logflume.query.columns import check

    return check(patterns, rows.column_names, "model_output") if patterns else []


def _reward_ranges(run: Run) -> Ranges:
    """Return the range of each reward in the run, for the colours."""
    table = run.outputs(columns=["rewards/*"]).arrow
    ranges: dict[str, tuple[float, float]] = {}
    for name in table.column_names:
        cells: list[Any] = table[name].to_pylist()
        values = [value for value in cells if _is_finite(value)]
        if values:
            ranges[name] = min(values), max(values)
    return ranges


def _is_finite(value: object) -> bool:
    return isinstance(value, float) and math.isfinite(value)


def _show(
    target: rich.console.Console, panels: Sequence[rich.panel.Panel], *, with_pager: bool
) -> None:
    """Print panels, in a pager if they don't fit the terminal."""
    height = sum(len(target.render_lines(panel)) for panel in panels)
    if not with_pager or not target.is_terminal or height < target.height:
        for panel in panels:
            target.print(panel)
        return
    os.environ.setdefault("LESS", _LESS_OPTIONS)
    with target.pager(styles=True):
        for panel in panels:
            target.print(panel)


def _panel(
    row: Mapping[str, Any], extra: Sequence[str], grep: str | None, ranges: Ranges, width: int
) -> rich.panel.Panel:
    """Return a completion in a panel: its step and group on top, its rewards at the bottom.

    Args:
        row: The completion.
        extra: Names of further columns to show.
        grep: The pattern to highlight.
        ranges: The range of each reward in the run.
        width: Cells of a line within the panel.
    """
    import rich.panel
    import rich.text

    text = rich.text.Text()
    for name in ("question", "prompt"):
        if row.get(name):
            text.append(f"{escape_lines(row[name])}\n\n", style="dim")
            break
    text.append(escape_lines(row.get("model_output") or ""))
    if grep is not None:
        _highlight(text, grep)
    text.append("\n\n").append_text(_scores(row, ranges, width))
    for name in extra:
        text.append(f"\n{escape(name)} ", style="dim").append(cell(row.get(name)))
    title = [f"step {cell(row.get('step'))}"]
    title += [f"{name} {cell(row[name])}" for name in ("mode", "group", "index") if name in row]
    return rich.panel.Panel(text, title=rich.text.Text(" · ".join(title)), title_align="left")


def _highlight(text: rich.text.Text, pattern: str) -> None:
    # Arrow's syntax differs in a few points, so this may be invalid for a text that matches.
    with suppress(re.error):
        text.highlight_regex(pattern, "reverse")


def _scores(row: Mapping[str, Any], ranges: Ranges, width: int) -> rich.text.Text:
    """Return the scores of a completion: the total, each reward function, the advantage."""
    import rich.text

    names = sorted((n for n in row if n.startswith("rewards/")), key=lambda n: n != "rewards/total")
    pieces = []
    for name in names:
        style = f"bold {_colour(row[name], ranges.get(name))}".strip()
        label = escape(name.removeprefix("rewards/"))
        pieces.append(rich.text.Text(f"{label} ").append(number_text(row[name]), style=style))
    for label, field in (
        ("advantage", "advantage"),
        ("answer", "answer"),
        ("true answer", "true_answer"),
    ):
        if field in row:
            label_text = rich.text.Text().append(f"{label} ", style="dim")
            pieces.append(label_text.append(_short(row[field])))
    return _joined(pieces, width)


def _joined(pieces: Sequence[rich.text.Text], width: int) -> rich.text.Text:
    """Join texts to lines of this width, broken between the texts."""
    import rich.text

    text, used = rich.text.Text(), 0
    for piece in pieces:
        gap = "\n" if used + len(_GAP) + piece.cell_len > width else _GAP
        text.append(gap if text else "").append_text(piece)
        used = piece.cell_len + (used + len(_GAP) if gap == _GAP and used else 0)
    return text


def _short(value: Any) -> str:
    return number_text(value) if isinstance(value, float) else cell(value)


def _colour(value: Any, limits: tuple[float, float] | None) -> str:
    """Return a colour: red for the lower third of the run's range, green for the upper third.

    Args:
        value: The reward.
        limits: The lowest and the highest reward of the run.
    """
    if limits is None or limits[0] == limits[1] or not _is_finite(value):
        return ""
    share = (value - limits[0]) / (limits[1] - limits[0])
    return "red" if share < 1 / 3 else "green" if share > 2 / 3 else "yellow"
