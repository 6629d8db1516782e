"""`logflume prompts`: lists the prompts of a run with their solve rates."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

import typer

from logflume.cli.base import (
    JsonOption,
    RunArgument,
    StepOption,
    open_one,
    parse_steps,
    print_no_match,
    warnings_as_lines,
)
from logflume.cli.printing import Share, echo, fit_text, print_json, print_table
from logflume.exceptions import QueryError

__all__ = ["SolvedOption", "prompts"]

_NUMBERS_WIDTH = 70
"""Width of the columns before the question."""

_SORTED_BY_CHANGE = ("forgotten", "newly_solved")
"""The changes that have an order of their own."""


SolvedOption: TypeAlias = Annotated[
    float | None,
    typer.Option(
        help="The total reward from which a completion solves its prompt, if its correctness was "
        "not measured.",
        show_default=False,
    ),
]


def prompts(
    run: RunArgument = "latest",
    solved: SolvedOption = None,
    step: StepOption = None,
    mode: Annotated[
        Literal["train", "eval", "both"] | None,
        typer.Option(
            case_sensitive=False,
            help="Only training, only evaluations, or both, in rows of their own. Default: "
            "training, or evaluations in a run that has only these.",
            show_default=False,
        ),
    ] = None,
    between: Annotated[
        str | None, typer.Option(help="Two steps to compare (100:400).", show_default=False)
    ] = None,
    change: Annotated[
        Literal["newly_solved", "forgotten", "never", "always"] | None,
        typer.Option(
            case_sensitive=False,
            help="Only prompts with this change, in the whole run or between two steps.",
            show_default=False,
        ),
    ] = None,
    min_rate: Annotated[
        float | None, typer.Option(help="The minimum solve rate, 0 to 1.", show_default=False)
    ] = None,
    max_rate: Annotated[
        float | None, typer.Option(help="The maximum solve rate, 0 to 1.", show_default=False)
    ] = None,
    min_visits: Annotated[int, typer.Option(help="The minimum number of visits.")] = 1,
    order: Annotated[
        str | None,
        typer.Option(
            help="A column of --json to sort by; -NAME: highest first. Default: solve_rate; with "
            "--change forgotten or newly_solved, what was lost or gained, the most first.",
            show_default=False,
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="The maximum number of prompts.")] = 20,
    json: JsonOption = False,
) -> None:
    """List the prompts of a run: how often they were solved, and how that changed.

    A visit is one group of completions of a prompt. `rate` is the share of all its completions that
    solve it, `best` and `latest` are the share in these visits, and `change` is what --change
    selects.

    Example: logflume prompts latest --max-rate 0 --min-visits 3

    Example: logflume prompts latest --change forgotten

    Example: logflume prompts latest --between 100:400 --change newly_solved
    """
    opened = open_one(run)
    with warnings_as_lines():
        table = opened.prompts(
            solved=solved,
            steps=parse_steps(step),
            mode=mode,
            between=_parse_between(between),
            change=change,
            min_rate=min_rate,
            max_rate=max_rate,
            min_visits=min_visits,
            order=order or (() if change in _SORTED_BY_CHANGE else "solve_rate"),
            limit=limit + 1,
        )
    rows = table.slice(0, limit).to_pylist()
    if json:
        print_json(rows)
    elif rows:
        print_table([_as_row(row, with_mode=mode == "both") for row in rows])
    else:
        print_no_match(opened, "prompts")
    if mode is None and any(row["mode"] != "train" for row in rows):
        echo("The run has only evaluations, so these are their prompts.", err=True)
    if len(table) > limit:
        echo(f"More than {limit:,} prompts match; --limit shows more.", err=True)
    if partial := sum(row["partial"] for row in rows):
        visits = sum(row["visits"] for row in rows)
        echo(
            f"{partial:,} of {visits:,} visits were not recorded completely; the rates are those "
            "of the recorded completions.",
            err=True,
        )


def _parse_between(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    try:
        first, last = map(int, text.split(":"))
    except ValueError:
        raise QueryError(f"--between {text}: expected two steps (100:400)") from None
    return first, last


def _as_row(row: dict[str, Any], *, with_mode: bool) -> dict[str, Any]:
    """Return a row of the table, which fits 80 columns: it has the mode or the visits."""
    names = ["before", "after"] if "before" in row else ["best", "latest"]
    return {
        "prompt": row["prompt_id"],
        **({"mode": row["mode"]} if with_mode else {"visits": row["visits"]}),
        "rate": _share(row["solve_rate"]),
        "change": row["change"],
        **{name: _share(row[name]) for name in names},
        "question": fit_text(row["question"], _NUMBERS_WIDTH),
    }


def _share(rate: float | None) -> Share | None:
    return None if rate is None else Share(rate)
