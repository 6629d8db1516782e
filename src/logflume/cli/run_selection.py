"""Selects and sorts the runs of a list."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from logflume.cli.base import parse_where
from logflume.cli.run_columns import RUN_COLUMNS
from logflume.config.errors import nearest
from logflume.exceptions import QueryError

__all__ = ["select_runs", "sort_runs"]


def select_runs(
    runs: list[dict[str, Any]], tags: Sequence[str], status: str | None, where: str | None
) -> list[dict[str, Any]]:
    """Return the runs that have all the tags and the status, and match the condition.

    Args:
        runs: The runs, as `logflume runs --json` has them.
        tags: The tags.
        status: The status; None: any.
        where: A condition in SQL, with names of the JSON, headings of the list, and
            hyperparameters; None: all match.

    Raises:
        QueryError: No run has a tag or the status, or the condition can't be applied.
        MissingExtraError: There is a condition, and DuckDB is not installed.
    """
    for tag in tags:
        _check_known("--tag", tag, {name for run in runs for name in run["tags"]})
    if status is not None:
        _check_known("--status", status, {run["status"] for run in runs})
    selected = [
        run
        for run in runs
        if set(tags) <= set(run["tags"]) and (status is None or run["status"] == status)
    ]
    return selected if where is None else _matching(selected, where)


def sort_runs(runs: list[dict[str, Any]], name: str, reverse: bool) -> None:
    """Sort runs in place; those without a value come first.

    Args:
        runs: The runs.
        name: A name, as in a condition.
        reverse: Whether the highest value comes first, and runs without one come last.

    Raises:
        QueryError: No run has such a value.
    """
    rows = [_row(run) for run in runs]
    if runs:
        _check_known("--sort", name, {key for row in rows for key in row})
    keys = {id(run): _sort_key(row.get(name)) for run, row in zip(runs, rows, strict=True)}
    runs.sort(key=lambda run: keys[id(run)], reverse=reverse)


def _check_known(option: str, value: str, known: set[str]) -> None:
    if value in known:
        return
    hint = nearest(value, known)
    names = ", ".join(sorted(known)[:20]) or "none"
    suggestion = f" Did you mean {hint!r}?" if hint else ""
    raise QueryError(f"{option} {value!r}: no run here has it.{suggestion} Available: {names}")


def _row(run: dict[str, Any]) -> dict[str, Any]:
    """Return the values by which a run can be selected, by name."""
    own = {name: value for name, value in run.items() if name not in ("hyperparameters", "tags")}
    by_heading = {column.heading: run[column.name] for column in RUN_COLUMNS}
    row = {**run["hyperparameters"], **by_heading, **own, "tags": ", ".join(run["tags"])}
    return {n: v.isoformat() if isinstance(v, datetime) else v for n, v in row.items()}


def _sort_key(value: Any) -> tuple[int, Any]:
    if value is None:
        return 0, 0
    is_number = isinstance(value, (int, float))
    return (1, value) if is_number else (2, str(value))


def _matching(runs: list[dict[str, Any]], where: str) -> list[dict[str, Any]]:
    rows = [_row(run) for run in runs]
    names = {name for row in rows for name in row}
    events = [
        {"event": "_run", **{name: row.get(name) for name in names}, "_index": index}
        for index, row in enumerate(rows)
    ]
    select = parse_where(where)
    found = [runs[event["_index"]] for event in select(events)]
    if runs:
        select.check_applied()
    return found
