"""Means over groups, by step and by columns of the dataset, with confidence intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from logflume.config.errors import nearest
from logflume.exceptions import QueryError
from logflume.query.columns import optional, with_columns
from logflume.query.groupings import Array, group_rows
from logflume.query.intervals import Clusters, bootstrap_intervals
from logflume.query.visits import Visits, available_columns

__all__ = ["by_columns", "label_visits", "mean_over_groups"]

_COLUMNS = "columns/"


def by_columns(by: Sequence[str]) -> list[str]:
    """Return patterns of the columns that `by` names: the columns of the dataset, and fields."""
    return [optional(name) for column in by for name in (_COLUMNS + column, column)]


def label_visits(
    read: Callable[..., pa.Table], visits: Visits, by: Sequence[str], question: str
) -> pa.Table:
    """Return the run, the mode and the columns `by` of each visit.

    Args:
        read: Returns the events of a type, with some of their columns.
        visits: The visits, with the columns `by_columns`.
        by: Names of columns: `step`, a column of the dataset, or another field of the completions.
        question: The name of the query, for error messages.

    Raises:
        QueryError: There is no such column, or it differs between the completions of a group.
    """
    labels = visits.keys.select(["run", "mode"])
    for name in dict.fromkeys(by):
        if name not in labels.column_names:
            labels = labels.append_column(name, _label(read, visits, name, question))
    return labels


def mean_over_groups(
    visits: Visits, labels: pa.Table, values: Array, *, seed: int, is_share: bool
) -> pa.Table:
    """Return the mean of a value over the visits with the same labels, for all different labels.

    Args:
        visits: The visits.
        labels: The labels of each visit.
        values: The value of each visit; NaN: the visit doesn't count.
        seed: Seed of the confidence intervals.
        is_share: Whether all values are between 0 and 1.

    Returns:
        The labels, `value`, the bounds of its 95% confidence interval `low` and `high`, the
        numbers of `prompts` and `groups` that it is the mean of, and the number of groups without
        a value, `skipped`.
    """
    means = group_rows(labels, labels.column_names)
    counted = ~np.isnan(values)
    clusters, prompts = _cluster(visits, means.of_row, values, counted)
    groups = np.bincount(means.of_row[counted], minlength=len(means))
    totals = np.bincount(means.of_row[counted], values[counted], minlength=len(means))
    bounds = np.full((len(means), 2), np.nan)
    found = np.unique(clusters.mean)
    dense = clusters._replace(mean=np.searchsorted(found, clusters.mean))
    if len(found):
        bounds[found] = bootstrap_intervals(dense, seed=seed, is_share=is_share)
    with np.errstate(invalid="ignore"):  # no group has a value
        value = totals / groups
    columns: dict[str, Any] = {
        "value": pa.array(value, from_pandas=True),
        "low": pa.array(bounds[:, 0], from_pandas=True),
        "high": pa.array(bounds[:, 1], from_pandas=True),
        "prompts": pa.array(prompts),
        "groups": pa.array(groups),
        "skipped": pa.array(means.sum() - groups),
    }
    return with_columns(means.take_first(labels), columns)


def _cluster(visits: Visits, means: Array, values: Array, counted: Array) -> tuple[Clusters, Array]:
    """Return the sums of the values by mean and prompt, and the number of prompts of each mean."""
    prompts = group_rows(visits.keys, ["run", "prompt_id"]).of_row
    # A group whose prompt is unknown counts as a prompt of its own.
    unknown = pc.is_null(visits.keys["prompt_id"]).to_numpy(zero_copy_only=False)
    prompts = np.where(unknown, len(prompts) + np.arange(len(prompts)), prompts)
    table = pa.table([pa.array(means[counted]), pa.array(prompts[counted])], ["mean", "prompt"])
    clusters = group_rows(table, ["mean", "prompt"])
    of_mean = means[counted][clusters.first]
    found = Clusters(of_mean, clusters.sum(values[counted]), clusters.sum())
    return found, np.bincount(of_mean, minlength=int(means.max(initial=-1)) + 1)


def _label(read: Callable[..., pa.Table], visits: Visits, name: str, question: str) -> Any:
    """Return a column of each visit."""
    available = visits.completions.column_names
    column = _COLUMNS + name if _COLUMNS + name in available else name
    if column not in available:
        fields = available_columns(read)
        hint = nearest(name, [field.removeprefix(_COLUMNS) for field in fields])
        raise QueryError(
            f"{question}: by={name!r}: the completions have neither such a field nor such a column "
            "of the dataset; `attach(columns=[…])` records further columns"
            + (f". Did you mean {hint!r}?" if hint else "")
        )
    values = visits.completions[column]
    table = pa.table([pa.array(visits.grouping.of_row), values], ["visit", "value"])
    if len(group_rows(table, ["visit", "value"])) != len(visits):
        raise QueryError(
            f"{question}: by={name!r}: it differs between completions of the same group"
        )
    return values.take(pa.array(visits.grouping.first, pa.int64()))
