"""Queries the prompts of a run: how often each one was solved, and how that changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from logflume.config.errors import suggest
from logflume.exceptions import ArgumentError
from logflume.query.columns import with_columns
from logflume.query.event_ids import read_questions
from logflume.query.groupings import Array, Grouping, group_rows, numbers_of
from logflume.query.solved import SOLVED_COLUMNS, find_solved
from logflume.query.visits import AnyMode, Visits, read_visits

__all__ = ["Change", "PromptFilter", "read_prompts"]

Change: TypeAlias = Literal["newly_solved", "forgotten", "never", "always"]
"""What happened to a prompt, between two steps or in the whole run."""

_CHANGES = get_args(Change)
_MODES = get_args(AnyMode)
_DEFAULT_ORDER = ("run", "first_step", "prompt_id", "-mode")


class PromptFilter(NamedTuple):
    """Which prompts to return.

    Attributes:
        mode: Only visits of training or of evaluation; `both`: each in rows of their own; None: of
            training, or of evaluation in a run that has only evaluations.
        between: Two steps to compare; None: none.
        change: Only prompts with this change, between the two steps if there are any; None: all.
        min_rate: The minimum solve rate.
        max_rate: The maximum solve rate.
        min_visits: The minimum number of visits.
        order: Columns of the result, with `-` in front for the highest first; if empty, the prompts
            that lost or gained most come first where only these are wanted.
        limit: The maximum number of prompts.
    """

    mode: AnyMode | None = None
    between: tuple[int, int] | None = None
    change: Change | None = None
    min_rate: float | None = None
    max_rate: float | None = None
    min_visits: int = 1
    order: Sequence[str] = ()
    limit: int | None = None


def read_prompts(
    read: Callable[..., pa.Table], wanted: PromptFilter, solved: float | None
) -> pa.Table:
    """Return one row for each prompt and mode. Completions whose prompt is unknown are omitted.

    Args:
        read: Returns the events of a type, with some of their columns.
        wanted: Which prompts, and in which order.
        solved: The total reward from which a completion solves its prompt, where correctness was
            not measured.

    Raises:
        QueryError: A filter is invalid, or `solved` is required.
    """
    _check(wanted)
    mode = "main" if wanted.mode is None else None if wanted.mode == "both" else wanted.mode
    visits = read_visits(read, mode=mode, columns=SOLVED_COLUMNS)
    known = pc.is_valid(visits.keys["prompt_id"]).to_numpy(zero_copy_only=False)
    prompts = group_rows(visits.keys, ["run", "prompt_id", "mode"])
    is_solved = find_solved(visits.completions, solved, "prompts")
    table = _summarize(visits, prompts, is_solved)
    if wanted.between is None:
        table = table.append_column("change", _find_changes(table))
    else:
        rates = visits.sums(is_solved) / visits.sums()
        table = with_columns(table, _compare(visits, prompts, rates, wanted.between))
    # The first completion of the first visit stands for the prompt.
    table = table.append_column(_FIRST, pa.array(visits.grouping.first[prompts.first]))
    table = table.filter(pa.array(known[prompts.first]))
    table = _select(table, wanted)
    return _with_questions(read, table, visits)


_FIRST = "logflume/first"


def _check(wanted: PromptFilter) -> None:
    """Check the filters that can be checked without the prompts."""
    if wanted.between is not None:
        is_pair = isinstance(wanted.between, tuple) and len(wanted.between) == 2
        if not is_pair or not all(isinstance(step, int) for step in wanted.between):
            problem = "expected two steps (100, 400)"
            raise ArgumentError("prompts", "between", wanted.between, problem)
        if wanted.between[0] >= wanted.between[1]:
            problem = "the first step must be the lower one"
            raise ArgumentError("prompts", "between", wanted.between, problem)
    if wanted.mode is not None and wanted.mode not in _MODES:
        raise ArgumentError("prompts", "mode", wanted.mode, f"expected one of {', '.join(_MODES)}")
    if wanted.change is not None and wanted.change not in _CHANGES:
        problem = f"expected one of {', '.join(_CHANGES)}"
        raise ArgumentError("prompts", "change", wanted.change, problem)
    if wanted.limit is not None and wanted.limit < 0:
        raise ArgumentError("prompts", "limit", wanted.limit, "expected a number, 0 or more")


def _summarize(visits: Visits, prompts: Grouping, is_solved: Array) -> pa.Table:
    """Return one row for each prompt, from its visits in their order."""
    rates = visits.sums(is_solved) / visits.sums()
    completions = prompts.sum(visits.sums())
    correct = prompts.sum(visits.sums(is_solved))
    of_prompt = Grouping(prompts.of_row[visits.grouping.of_row], prompts.first)
    rewards = numbers_of(visits.completions, "rewards/total")
    order = np.arange(len(visits))
    picked = {
        "first": prompts.first,
        "best": _pick(prompts, (order, -rates)),
        "worst": _pick(prompts, (order, rates)),
        "latest": _pick(prompts, (-order,)),
    }
    steps, first = visits.keys["step"], pa.array(prompts.first, pa.int64())
    columns: dict[str, Any] = {
        "run": visits.keys["run"].take(first),
        "prompt_id": visits.keys["prompt_id"].take(first),
        "mode": visits.keys["mode"].take(first),
        "visits": pa.array(prompts.sum()),
        "completions": pa.array(completions.astype(int)),
        "solved": pa.array(correct.astype(int)),
        "solve_rate": pa.array(correct / completions),
    }
    for name, visit in picked.items():
        columns[name] = pa.array(rates[visit])
        columns[f"{name}_step"] = steps.take(pa.array(visit))
    columns["reward_mean"], columns["reward_max"] = _rewards(of_prompt, rewards)
    columns["partial"] = pa.array(prompts.sum(visits.is_partial).astype(int))
    return pa.table(columns)


def _pick(prompts: Grouping, keys: Sequence[Array]) -> Array:
    """Return the visit of each prompt that sorts first; the last key is the primary one."""
    order = np.lexsort((*keys, prompts.of_row))
    _, first = np.unique(prompts.of_row[order], return_index=True)
    return order[first]


def _rewards(of_prompt: Grouping, rewards: Array) -> tuple[Any, Any]:
    """Return the mean and the maximum of the rewards of each prompt; null without any."""
    has_reward = ~np.isnan(rewards)
    totals = of_prompt.sum(np.where(has_reward, rewards, 0.0))
    with np.errstate(invalid="ignore"):  # prompts without any reward
        means = totals / of_prompt.sum(has_reward)
    highest = of_prompt.max(rewards)
    return pa.array(means, from_pandas=True), pa.array(highest, from_pandas=True)


def _find_changes(table: pa.Table) -> Any:
    """Return the change of each prompt in the whole run; null if it is none of the four.

    A visit is a success if any of its completions solves the prompt.
    """
    first, latest, best, worst = (
        numbers_of(table, name) > 0 for name in ("first", "latest", "best", "worst")
    )
    number = np.select([~best, ~latest, ~first, worst], [2, 1, 0, 3], -1)
    return pa.array(_CHANGES, pa.string()).take(pa.array(number, mask=number < 0))


def _compare(
    visits: Visits, prompts: Grouping, rates: Array, between: tuple[int, int]
) -> dict[str, Any]:
    """Return the columns that compare each prompt's solve rate between two steps.

    Compared are the latest visit up to the first step, and the latest one after it up to the second
    step. A visit is a success if any of its completions solves the prompt. The change is null for a
    prompt that lacks one of the visits.
    """
    first, last = between
    steps = numbers_of(visits.keys, "step")
    columns: dict[str, Any] = {"change": None}
    rate: dict[str, Array] = {}
    for name, is_in in (("before", steps <= first), ("after", (steps > first) & (steps <= last))):
        latest = np.full(len(prompts), -1)
        latest[prompts.of_row[is_in]] = np.flatnonzero(is_in)  # in order: the last one counts
        rate[name] = np.where(latest >= 0, rates[latest] if len(rates) else 0.0, np.nan)
        columns[name] = pa.array(rate[name], from_pandas=True)
        columns[f"{name}_step"] = visits.keys["step"].take(pa.array(latest, mask=latest < 0))
    was_solved, is_solved = rate["before"] > 0, rate["after"] > 0
    number = np.select(
        [~was_solved & is_solved, was_solved & ~is_solved, ~was_solved & ~is_solved], [0, 1, 2], 3
    )
    is_unknown = np.isnan(rate["before"]) | np.isnan(rate["after"])
    columns["change"] = pa.array(_CHANGES, pa.string()).take(pa.array(number, mask=is_unknown))
    return columns


def _select(table: pa.Table, wanted: PromptFilter) -> pa.Table:
    """Return the prompts that match, in order."""
    if wanted.change is not None:
        table = table.filter(pc.equal(table["change"], pa.scalar(wanted.change)))
    if wanted.min_rate is not None:
        table = table.filter(pc.greater_equal(table["solve_rate"], pa.scalar(wanted.min_rate)))
    if wanted.max_rate is not None:
        table = table.filter(pc.less_equal(table["solve_rate"], pa.scalar(wanted.max_rate)))
    table = table.filter(pc.greater_equal(table["visits"], pa.scalar(wanted.min_visits)))
    table = table.sort_by(_sort_keys(wanted.order or _largest_first(wanted), table.column_names))
    return table if wanted.limit is None else table.slice(0, wanted.limit)


def _largest_first(wanted: PromptFilter) -> Sequence[str]:
    """Return the order in which the prompts that lost or gained most come first.

    A forgotten prompt has lost all that it had, and a newly solved one had nothing. Of prompts that
    lost equally much, the one that was solved more often has lost more.
    """
    is_between = wanted.between is not None
    if wanted.change == "forgotten":
        return ["-before" if is_between else "-best", "-solve_rate"]
    return ["-after" if is_between else "-latest"] if wanted.change == "newly_solved" else []


def _sort_keys(order: str | Sequence[str], available: Sequence[str]) -> list[Any]:
    """Return the columns to sort by, each with its direction; prompts that tie by first visit."""
    keys: dict[str, str] = {}
    for text in [*([order] if isinstance(order, str) else order), *_DEFAULT_ORDER]:
        name = text.removeprefix("-")
        if name not in available or name == _FIRST:
            columns = [column for column in available if column != _FIRST]
            problem = f"prompts have no such column; {suggest(name, columns)}"
            raise ArgumentError("prompts", "order", text, problem)
        keys.setdefault(name, "descending" if text.startswith("-") else "ascending")
    return list(keys.items())


def _with_questions(read: Callable[..., pa.Table], table: pa.Table, visits: Visits) -> pa.Table:
    """Replace the number of the first completion with its question, as the third column."""
    completions = visits.completions.take(table[_FIRST])
    questions = read_questions(read, completions)
    return table.drop_columns([_FIRST]).add_column(2, "question", questions)
