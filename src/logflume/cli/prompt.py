"""`logflume prompt`: shows the completions of one prompt, visit by visit."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from logflume.cli.base import (
    JsonOption,
    ModeOption,
    RunArgument,
    StepOption,
    open_one,
    parse_steps,
    warnings_as_lines,
)
from logflume.cli.printing import echo, fit_text, print_json, print_table
from logflume.cli.prompts import SolvedOption

__all__ = ["prompt"]

_NUMBERS_WIDTH = 53
"""Width of the columns before the answer."""


def prompt(
    run: RunArgument,
    prompt_id: Annotated[
        str, typer.Argument(metavar="ID", help="The prompt's id, from `logflume prompts`.")
    ],
    solved: SolvedOption = None,
    step: StepOption = None,
    mode: ModeOption = None,
    json: JsonOption = False,
) -> None:
    """Show the completions of a prompt, visit by visit: which solved it, rewards and answers.

    Example: logflume prompt latest 9f86d081884c7d65
    """
    with warnings_as_lines():
        rows = (
            open_one(run)
            .prompt(prompt_id, solved=solved, steps=parse_steps(step), mode=mode)
            .to_pylist()
        )
    if json:
        print_json(rows)
        return
    first = rows[0] if rows else {}
    echo(f"{first.get('question') or first.get('prompt') or prompt_id}\n")
    print_table([_as_row(row) for row in rows])


def _as_row(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row of the table, with the start of the completion if it has no answer."""
    reward = row.get("rewards/total")
    answer = row.get("answer")
    return {
        "visit": row["visit"],
        "step": row["step"],
        "mode": row["mode"],
        "index": row.get("index"),
        "solved": {True: "yes", False: "no", None: ""}[row["solved"]],
        "reward": None if reward is None else float(f"{reward:.4g}"),
        "answer": fit_text(row.get("model_output") if answer is None else answer, _NUMBERS_WIDTH),
    }
