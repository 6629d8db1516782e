"""Queries completions by step, correctness, reward, text, group, or a condition in SQL."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial, reduce
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from logflume.config.errors import suggest
from logflume.exceptions import ArgumentError, MissingExtraError, QueryError
from logflume.query.columns import check, holds_numbers, optional
from logflume.query.event_ids import IDS, OPTIONAL_IDS, read_same
from logflume.query.extremes import Extremes
from logflume.query.groupings import number_together, texts_of
from logflume.query.prompt_ids import TEXTS as PROMPT_TEXTS
from logflume.query.visits import VISIT, add_ids, available_columns, of_mode, with_mode
from logflume.values.declared import declared_columns

if TYPE_CHECKING:
    from logflume.query.sql_filter import SqlFilter

__all__ = ["CompletionFilter", "explain_no_reward", "read_completions", "read_in_one_pass"]

_CORRECTNESS_COLUMNS = ["answer", "true_answer", "quality/correct*"]
_TEXTS = ("model_output", "prompt", "question")
"""The columns that `search` searches."""

_TYPE = "model_output"
_PROMPT = "prompt_id"


class CompletionFilter(NamedTuple):
    """Which completions to return.

    Attributes:
        correct: Only those whose answer is correct (True) or wrong (False); None: both.
        min_reward: The minimum reward.
        max_reward: The maximum reward.
        worst: Only this number of completions, those with the lowest reward, lowest first.
        best: Only this number of completions, those with the highest reward, highest first.
        by: The column that holds the reward; the prefix `rewards/` of a reward function may be
            omitted.
        search: Only those whose text, or whose prompt's text, contains this.
        regex: Whether `search` is a regular expression.
        where: Only those for which this condition in SQL is true.
        groups: Only those of these groups: numbers of groups, or rows with columns of `VISIT`.
        last: Only this number of them, the last ones.
    """

    correct: bool | None = None
    min_reward: float | None = None
    max_reward: float | None = None
    worst: int | None = None
    best: int | None = None
    by: str = "rewards/total"
    search: str | None = None
    regex: bool = False
    where: str | None = None
    groups: Sequence[int | Mapping[str, Any]] | None = None
    last: int | None = None


def read_completions(
    read: Callable[..., pa.Table], wanted: CompletionFilter, columns: Sequence[str] | None
) -> pa.Table:
    """Return the completions that match a filter.

    The columns that the filter needs are read first; the texts are then read for the matching
    completions only.

    Args:
        read: Returns the `model_output` events, with some of their columns.
        wanted: Which completions.
        columns: Names and patterns; None: all.

    Raises:
        QueryError: There is no such column or reward, or a filter is invalid.
    """
    if wanted == CompletionFilter(by=wanted.by):
        return with_mode(read(_TYPE, columns=columns))
    wanted = _check(wanted)
    if wanted.where is not None:
        # The condition may refer to all completions, so it is applied before the other filters.
        rows = _read_where(read, wanted.where)
        _, rows = read_same(read, _TYPE, rows, _filter_columns(wanted))
        rows = _select(wanted, rows)
    else:
        select = partial(_select, wanted)
        columns_read = _filter_columns(wanted)
        rows = select(
            read(_TYPE, columns=columns_read, prefilter=select, extremes=_extremes(wanted))
        )
    if wanted.last is not None:
        rows = rows.slice(max(0, len(rows) - wanted.last))
    _, events = read_same(read, _TYPE, rows, columns)
    names = check(columns, events.column_names, _TYPE)
    return with_mode(events if columns is None else events.select(names))


def explain_no_reward(read: Callable[..., pa.Table], wanted: CompletionFilter) -> str | None:
    """Return a message if the column of a filter's rewards has no value; None otherwise.

    Args:
        read: As for `read_completions`, of all steps.
        wanted: The filter.
    """
    if not _needs_reward(wanted):
        return None
    by = _check(wanted).by
    rows = read(_TYPE, columns=[by, "rewards/*"])
    recorded = [name for name in rows.column_names if rows[name].null_count < len(rows)]
    if not len(rows) or by in recorded:
        return None
    return f"no completion here has a value of {by!r}; {suggest(by, recorded)}"


def read_in_one_pass(
    read: Callable[..., pa.Table],
    wanted: CompletionFilter,
    columns: Sequence[str],
    among: pa.Table | None = None,
) -> pa.Table:
    """Return the same as `read_completions`, but read all columns at once.

    That is faster where most of them are small or needed by the filter anyway.

    Args:
        read: Returns the `model_output` events, with some of their columns.
        wanted: Which completions. Its condition in SQL is ignored.
        columns: Names and patterns.
        among: Events with the columns that identify them: only these may match; None: all.

    Raises:
        QueryError: There is no such column or reward, or a filter is invalid.
    """
    wanted = _check(wanted)
    columns_read = [*columns, *_filter_columns(wanted)]
    if among is None:
        rows = read(_TYPE, columns=columns_read, prefilter=partial(_select, wanted))
    else:
        _, rows = read_same(read, _TYPE, among, columns_read)
    return with_mode(_select(wanted, rows).select(check(columns, rows.column_names, _TYPE)))


def _check(wanted: CompletionFilter) -> CompletionFilter:
    """Check a filter, and complete the name of the reward."""
    if wanted.worst is not None and wanted.best is not None:
        raise QueryError("outputs: worst and best can't be combined")
    if min(wanted.worst or 0, wanted.best or 0, wanted.last or 0) < 0:
        raise QueryError("outputs: worst, best and last are numbers of completions, 0 or more")
    if wanted.search is not None:
        _check_pattern(wanted.search, regex=wanted.regex)
    elif wanted.regex:
        raise QueryError("outputs: regex=True needs a pattern, search=…")
    for group in wanted.groups or ():
        if not isinstance(group, int) and not (isinstance(group, Mapping) and {*VISIT} & {*group}):
            raise QueryError(
                f"outputs: groups: {group!r} is neither the number of a group nor a row of "
                f"`groups()`, with {', '.join(VISIT)}"
            )
    if "/" not in wanted.by and wanted.by not in declared_columns(_TYPE):
        return wanted._replace(by=f"rewards/{wanted.by}")
    return wanted


def _needs_reward(wanted: CompletionFilter) -> bool:
    return wanted[1:5] != (None,) * 4


def _filter_columns(wanted: CompletionFilter) -> list[str]:
    """Return the columns that a filter needs."""
    columns = ["step", *IDS, *OPTIONAL_IDS]
    if wanted.correct is not None:
        columns += _CORRECTNESS_COLUMNS
    if _needs_reward(wanted):
        columns.append(wanted.by)
    if wanted.search is not None:
        columns += map(optional, _TEXTS)
    if wanted.groups is not None:
        columns += ["mode", *map(optional, ["generation", "group"])]
        if any(isinstance(group, Mapping) and _PROMPT in group for group in wanted.groups):
            columns += [optional("prompt_id"), *PROMPT_TEXTS]
    return columns


def _extremes(wanted: CompletionFilter) -> Extremes | None:
    """Return which completions have the highest or lowest rewards, if these are requested."""
    count = wanted.worst if wanted.best is None else wanted.best
    return Extremes(wanted.by, count, wanted.best is not None) if count else None


def _read_where(read: Callable[..., pa.Table], where: str) -> pa.Table:
    """Return the ids of the completions for which a condition is true."""
    try:
        from logflume.query.sql_filter import SqlFilter
    except ModuleNotFoundError as error:
        raise MissingExtraError("duckdb", "analysis") from error
    condition: SqlFilter = SqlFilter(where, "where")
    fields = condition.fields(available_columns(read))
    rows = with_mode(read(_TYPE, columns=[*fields, *IDS, *OPTIONAL_IDS]))
    return condition.select(rows) if len(rows) else rows


def _select(wanted: CompletionFilter, rows: pa.Table) -> pa.Table:
    """Return the rows that match, from a table with the columns that the filter needs."""
    if wanted.groups is not None:
        rows = rows.filter(_is_in_groups(rows, wanted.groups))
    if wanted.correct is not None:
        rows = rows.filter(pc.equal(_is_correct(rows), pa.scalar(wanted.correct)))
    if wanted.search is not None:
        rows = rows.filter(_contains(rows, wanted.search, regex=wanted.regex))
    if wanted.by not in rows.column_names or not len(rows):
        return rows
    if not holds_numbers(rows.schema.field(wanted.by).type):
        raise QueryError(f"completions can't be sorted by {wanted.by!r}: it is not a number")
    reward = pc.field(wanted.by)
    if wanted.min_reward is not None:
        rows = rows.filter(reward >= wanted.min_reward)
    if wanted.max_reward is not None:
        rows = rows.filter(reward <= wanted.max_reward)
    for count, order in ((wanted.worst, "ascending"), (wanted.best, "descending")):
        if count is not None:
            # Sorting by everything that identifies an event makes the order of ties deterministic.
            keys: list[Any] = [(wanted.by, order)]
            keys += [(name, "ascending") for name in ("step", *IDS)]
            table: Any = rows.filter(_is_number(rows[wanted.by]))
            rows = table.take(pc.select_k_unstable(table, min(count, len(table)), keys))
    return rows


def _is_number(values: Any) -> Any:
    return pc.and_(pc.is_valid(values), pc.invert(pc.is_nan(values)))


def _is_in_groups(rows: pa.Table, groups: Sequence[int | Mapping[str, Any]]) -> Any:
    """Return whether each completion is in one of some groups."""
    rows = of_mode(rows, None)
    is_in = np.zeros(len(rows), bool)
    numbers = [group for group in groups if isinstance(group, int)]
    if numbers and "group" in rows.column_names:
        found: Any = pc.is_in(rows["group"], value_set=pa.array(numbers, pa.int64()))
        is_in |= found.to_numpy(zero_copy_only=False)
    described = [group for group in groups if isinstance(group, Mapping)]
    by_columns: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for group in described:
        by_columns.setdefault(tuple(name for name in VISIT if name in group), []).append(group)
    for columns, same in by_columns.items():
        table = pa.Table.from_pylist([{name: one[name] for name in columns} for one in same])
        of_row, of_group, _ = number_together(
            add_ids(rows) if _PROMPT in columns else rows, table, columns
        )
        is_in |= np.isin(of_row, of_group)
    return pa.array(is_in)


def _is_correct(rows: pa.Table) -> Any:
    """Return the measured correctness; where it is missing, compare answer and truth as text."""
    truth = rows["true_answer"]
    answer, expected = map(pc.utf8_trim_whitespace, (rows["answer"], truth))
    same: Any = pc.equal(answer, expected)
    compared = pc.if_else(pc.is_null(truth), None, pc.fill_null(same, False))
    if "quality/correct" in rows.column_names:
        return pc.coalesce(rows["quality/correct"], compared)
    return compared


def _check_pattern(search: str, *, regex: bool) -> None:
    """Raise an error if a text can't be searched.

    Raises:
        QueryError: It is not a regular expression of RE2.
    """
    if not isinstance(search, str):
        raise ArgumentError(
            "", "search", search, "expected a string; for a pattern, add regex=True"
        )
    if regex:
        _match_text(pa.array([""]), search, regex)


def _contains(completions: pa.Table, search: str, *, regex: bool) -> Any:
    """Return whether each completion, or its prompt, contains a text. Shape [completions].

    Args:
        completions: The completions, with the columns of `_TEXTS` that exist.
        search: The text, whose case is ignored; or the regular expression, whose case matters.
        regex: Whether it is a regular expression. RE2 takes linear time for any of them.

    Raises:
        QueryError: It is not a regular expression of RE2.
    """
    masks = [
        pc.fill_null(_match_text(texts_of(completions, name), search, regex), False)
        for name in _TEXTS
        if name in completions.column_names
    ]
    none = pa.array([False] * len(completions), pa.bool_())
    return reduce(pc.or_, masks, none)


def _match_text(texts: Any, search: str, regex: bool) -> Any:
    try:
        if regex:
            return pc.match_substring_regex(texts, search)
        return pc.match_substring(texts, search, ignore_case=True)
    except (pa.ArrowInvalid, UnicodeEncodeError) as error:
        raise ArgumentError("", "search", search, str(error).removeprefix("Invalid ")) from error
