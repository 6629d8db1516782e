"""Lists of prompts: those that were learned or forgotten, and those that runs share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, get_args

import pyarrow as pa
import pyarrow.compute as pc

from logflume.exceptions import QueryError
from logflume.query.open_run import Run
from logflume.query.visits import Mode, check_mode
from logflume.ui.encoding import shorten_texts

__all__ = ["PromptList", "read_common_prompts", "read_prompt_list"]

_TEXT = 300
_ORDERS: dict[str, list[Any]] = {
    "first_step": [("first_step", "ascending")],
    "-visits": [("visits", "descending")],
    "solve_rate": [("solve_rate", "ascending")],
    "-solve_rate": [("solve_rate", "descending")],
    "-gained": [("gained", "descending")],
    "-lost": [("lost", "descending"), ("solve_rate", "descending")],
}


class PromptList(NamedTuple):
    """Which prompts to list.

    Attributes:
        solved: The total reward from which a completion solves its prompt.
        mode: Only visits of training or of evaluation; None: as in `run.prompts`.
        between: Two steps to compare; None: the whole run.
        change: Only prompts with this change.
        search: Only prompts whose question or id contains this text, ignoring case.
        order: The name of an order.
        offset: The number of prompts to skip.
        limit: The maximum number of prompts.
    """

    solved: float | None = None
    mode: Mode | None = None
    between: tuple[int, int] | None = None
    change: str | None = None
    search: str | None = None
    order: str = "-visits"
    offset: int = 0
    limit: int = 100


def read_prompt_list(run: Run, wanted: PromptList) -> dict[str, Any]:
    """Return prompts with their solve rates, and the reward of each of their visits.

    Their numbers and their `change` are those of `run.prompts`. `gained` and `lost` compare the
    latest solve rate with the worst and the best one; between two steps, they compare `after` with
    `before`.

    The answer has the `mode` of these visits, and the `modes` of the run. It has `prompts`, their
    `count`, the number of `all` prompts, `counts` by change, the size of the `largest` group of the
    run, and the first and last step of all visits (`span`). `measure` is what to show of a visit,
    the `solve_rate` where correctness was measured, else the `reward_mean`, and `range` are its
    lowest and highest value.

    Raises:
        QueryError: There is no such order, or `solved` is required.
    """
    if wanted.order not in _ORDERS:
        raise QueryError(f"order={wanted.order}: expected one of {', '.join(_ORDERS)}")
    check_mode(wanted.mode)
    groups = run.groups(solved=wanted.solved).arrow
    largest = pc.max(groups["completions"]).as_py()
    known = set(pc.unique(groups["mode"]).to_pylist())
    modes: list[Mode] = [mode for mode in get_args(Mode) if mode in known]
    mode = wanted.mode or (modes[0] if modes else "train")
    groups = groups.filter(pc.equal(groups["mode"], pa.scalar(mode)))
    prompts = run.prompts(solved=wanted.solved, mode=mode, between=wanted.between)
    table = _with_differences(prompts.arrow)
    counts = Counter(table["change"].to_pylist())
    found = _filter(table, wanted)
    found = found.sort_by([*_ORDERS[wanted.order], ("first_step", "ascending")])
    rows = found.slice(wanted.offset, wanted.limit).to_pylist()
    visits = _visits(groups, [row["prompt_id"] for row in rows])
    # Without `solved`, only what was measured has a solve rate; else the query has failed above.
    is_measured = wanted.solved is None or not run.groups(mode=mode).arrow["solve_rate"].null_count
    return {
        "mode": mode,
        "modes": modes,
        "prompts": [
            {**shorten_texts(row, _TEXT), "seen": visits[row["prompt_id"]]} for row in rows
        ],
        "count": len(found),
        "all": len(table),
        "counts": {name: count for name, count in counts.items() if name is not None},
        "largest": largest,
        "span": _extremes(groups["step"]),
        "measure": "solve_rate" if is_measured else "reward_mean",
        "range": [0, 1] if is_measured else _extremes(groups["reward_mean"]),
    }


def read_common_prompts(
    runs: Mapping[str, Run], solved: float | None, limit: int
) -> dict[str, Any]:
    """Return the prompts that at least two runs share, the largest difference first.

    As in `run.prompts`, the visits are those of training, or of evaluation in a run that has only
    evaluations. The answer has the `count` of these prompts, and `prompts`, each with `prompt_id`,
    `question`, and in `runs` the numbers of `run.prompts` by run. The difference is that of the
    solve rates.

    Raises:
        QueryError: `solved` is required.
    """
    names = ("visits", "completions", "solve_rate", "first", "latest", "reward_mean")
    found: dict[str, dict[str, Any]] = {}
    for name, run in runs.items():
        if "model_output" not in run.event_types():
            continue
        for row in run.prompts(solved=solved).to_pylist():
            prompt = {"prompt_id": row["prompt_id"], "question": row["question"], "runs": {}}
            of_runs = found.setdefault(row["prompt_id"], prompt)["runs"]
            of_runs[name] = {column: row[column] for column in names}
    shared = [row for row in found.values() if len(row["runs"]) > 1]
    shared.sort(key=_difference, reverse=True)
    return {"prompts": [shorten_texts(row, _TEXT) for row in shared[:limit]], "count": len(shared)}


def _difference(prompt: Mapping[str, Any]) -> float:
    rates = [run["solve_rate"] for run in prompt["runs"].values() if run["solve_rate"] is not None]
    return max(rates) - min(rates) if rates else -1.0


def _with_differences(table: pa.Table) -> pa.Table:
    """Return prompts with `gained` and `lost`."""
    if "before" in table.column_names:
        gained = pc.subtract(table["after"], table["before"])
        lost = pc.negate(gained)
    else:
        gained = pc.subtract(table["latest"], table["worst"])
        lost = pc.subtract(table["best"], table["latest"])
    return table.append_column("gained", gained).append_column("lost", lost)


def _filter(table: pa.Table, wanted: PromptList) -> pa.Table:
    if wanted.change:
        table = table.filter(pc.equal(table["change"], pa.scalar(wanted.change)))
    if wanted.search:
        table = table.filter(
            pc.or_(*(_contains(table[name], wanted.search) for name in ("question", "prompt_id")))
        )
    return table


def _contains(texts: Any, search: str) -> Any:
    filled: Any = pc.fill_null(texts, "")
    return pc.match_substring(filled, search, ignore_case=True)


def _visits(groups: pa.Table, prompts: Sequence[str]) -> dict[str, list[Any]]:
    """Return step, mode, mean reward and solve rate of each visit, by prompt."""
    visits: dict[str, list[Any]] = {prompt: [] for prompt in prompts}
    of_prompts = groups.filter(pc.is_in(groups["prompt_id"], pa.array(prompts, pa.string())))
    names = ["prompt_id", "step", "mode", "reward_mean", "solve_rate"]
    for prompt, *visit in zip(*(of_prompts[name].to_pylist() for name in names), strict=True):
        visits[prompt].append(visit)
    return visits


def _extremes(values: Any) -> list[Any]:
    found = pc.min_max(values)
    return [found["min"].as_py(), found["max"].as_py()]
