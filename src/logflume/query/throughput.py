"""Queries how fast training is, and how the time of a step is divided into phases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from logflume.query.columns import optional
from logflume.query.groupings import (
    Array,
    group_rows,
    integers_or_null,
    number_together,
    numbers_of,
)
from logflume.query.metrics import read_metrics
from logflume.query.visits import of_mode

__all__ = ["read_throughput"]

_METRICS = (optional("step_time"), optional("num_tokens"))
_PHASES = ("generation", "rewards")


def read_throughput(read: Callable[..., pa.Table]) -> pa.Table:
    """Return one row for each report of the trainer that has a `step_time`.

    A report covers the steps since the previous report. The first one covers the steps since the
    first batch of rollouts.

    Args:
        read: Returns the events of a type, with some of their columns.
    """
    reports = read_metrics(read, ["training"], _METRICS, ["run", "step", "mode"])
    reports = _complete(reports).filter(pc.equal(reports["mode"], pa.scalar("train")))
    reports = reports.filter(pc.is_valid(reports["step_time"]))
    reports = reports.sort_by([("run", "ascending"), ("step", "ascending")])
    batches = _batch_seconds(read)
    steps, tokens = _since_report_before(reports, batches)
    step_s = reports["step_time"].to_numpy()
    seconds = _phase_seconds(reports, batches, steps)
    columns: dict[str, Any] = {
        "run": reports["run"],
        "step": reports["step"],
        "steps": integers_or_null(steps),
        "step_s": reports["step_time"],
    }
    rest = np.maximum(step_s - sum(seconds.values()), 0.0)
    for phase, of_phase in {**seconds, "rest": rest}.items():
        columns[f"{phase}_s"] = pa.array(of_phase, from_pandas=True)
    with np.errstate(invalid="ignore", divide="ignore"):  # a step of no duration has no shares
        for phase, of_phase in {**seconds, "rest": rest}.items():
            columns[f"{phase}_share"] = _finite(of_phase / step_s)
        columns["tokens"] = integers_or_null(tokens)
        columns["tokens_per_s"] = _finite(tokens / (step_s * steps))
    return pa.table(columns)


def _complete(reports: pa.Table) -> pa.Table:
    """Return the reports with all columns: a run may lack metrics."""
    for name in ("step_time", "num_tokens"):
        if name not in reports.column_names:
            reports = reports.append_column(name, pa.nulls(len(reports), pa.float64()))
    return reports


def _batch_seconds(read: Callable[..., pa.Table]) -> pa.Table:
    """Return the seconds of each phase, for each batch of rollouts of a training run.

    The ranks generate at the same time, so the slowest one counts. A rank calls its reward
    functions one after another.
    """
    names = ["run", "attempt", "step", "mode", optional("generation"), optional("generate_s")]
    events = of_mode(read("generation", columns=[*names, "reward_s/*"]), "train")
    events = events.filter(pc.is_valid(events["step"]))
    names = [name for name in events.column_names if name.startswith("reward_s/")]
    functions = [numbers_of(events, name) for name in names]
    is_known = ~np.isnan(functions).all(axis=0) if functions else np.zeros(len(events), bool)
    rewards = np.where(is_known, np.nansum(functions, axis=0) if functions else 0.0, np.nan)
    keys = [
        name for name in ("run", "step", "attempt", "generation") if name in events.schema.names
    ]
    batches = group_rows(events, keys)
    table = batches.take_first(events.select(["run", "step"]))
    for phase, seconds in zip(_PHASES, (numbers_of(events, "generate_s"), rewards), strict=True):
        table = table.append_column(phase, pa.array(batches.max(seconds)))
    return table


def _since_report_before(reports: pa.Table, batches: pa.Table) -> tuple[Array, Array]:
    """Return the numbers of steps and tokens since the report before; NaN if unknown."""
    step, tokens = reports["step"].to_numpy().astype(float), numbers_of(reports, "num_tokens")
    before, tokens_before = np.full(len(step), np.nan), np.full(len(step), np.nan)
    runs: Any = reports["run"].to_pylist()
    for row in range(len(step)):
        if row and runs[row] == runs[row - 1]:
            before[row], tokens_before[row] = step[row - 1], tokens[row - 1]
            continue
        first = pc.min(batches.filter(pc.equal(batches["run"], runs[row]))["step"]).as_py()
        if first is not None and first <= step[row]:
            before[row] = max(first - 1, 0)
            tokens_before[row] = 0.0 if before[row] == 0 else np.nan
    return step - before, tokens - tokens_before


def _phase_seconds(reports: pa.Table, batches: pa.Table, steps: Array) -> dict[str, Array]:
    """Return the mean seconds of each phase in the steps that each report covers.

    Without any batch in these steps, a phase took no time, unless it was never measured.
    """
    run_of_report, run_of_batch, _ = number_together(reports, batches, ["run"])
    position = np.searchsorted(
        _combine(run_of_report, reports["step"].to_numpy()),
        _combine(run_of_batch, batches["step"].to_numpy()),
    )
    report = np.minimum(position, max(len(reports) - 1, 0))
    is_covered = (position < len(reports)) & (
        run_of_report[report] == run_of_batch if len(reports) else False
    )
    seconds = {}
    for phase in _PHASES:
        of_batch = batches[phase].to_numpy()
        known = is_covered & ~np.isnan(of_batch)
        total = np.bincount(report[known], of_batch[known], minlength=len(reports))
        missing = np.bincount(report[is_covered & ~known], minlength=len(reports)) > 0
        is_measured = np.isin(run_of_report, run_of_batch[~np.isnan(of_batch)])
        seconds[phase] = np.where(is_measured & ~missing, total / steps, np.nan)
    return seconds


def _combine(run: Array, step: Array) -> Array:
    return np.asarray(run.astype(float) * 2.0**40 + step)


def _finite(values: Array) -> Any:
    return pa.array(values, mask=~np.isfinite(values))
