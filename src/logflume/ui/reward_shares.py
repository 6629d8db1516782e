"""Which reward function drives training: the share of each in the advantages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from logflume.query.columns import optional
from logflume.query.groupings import group_rows

if TYPE_CHECKING:
    from logflume.query.open_run import Run

__all__ = ["read_reward_shares", "share_advantages"]

_MAX_STEPS = 50
_PREFIX = "rewards/"
_TOTAL = "total"
_PLACE = ("attempt", "rank", "step", "generation", "group", "prompt_id")

Array = npt.NDArray[Any]


def read_reward_shares(run: Run) -> dict[str, Any]:
    """Return the share of each reward function at the beginning and at the end of a training run.

    An advantage is the difference between a total reward and the mean of its group, so a function
    matters to the extent that it makes the totals of a group differ. With the weights w of the
    functions r, total = Σ w r, and the variance of the totals within groups is the sum of the
    covariances of each w r with the total. A function's share of this sum is its contribution. The
    shares sum to 1; a negative one works against the others. The weights are those that fit the
    totals best.

    The answer has `windows`, the first and the last quarter of the steps, at most 50 each: `first`
    and `last` step, `completions`, and `functions`, each with its `name`, its `mean` reward, its
    `weight` and its `share`, which is null if the totals are equal within every group.
    """
    steps = _steps(run)
    if not steps:
        return {"windows": []}
    size = max(1, min(_MAX_STEPS, len(steps) // 4))
    stretches = [steps[:size], steps[-size:]] if len(steps) > 1 else [steps]
    windows = [_window(run, stretch[0], stretch[-1]) for stretch in stretches]
    return {"windows": [window for window in windows if window is not None]}


def _steps(run: Run) -> list[int]:
    types = run.event_types()
    event_type = next((name for name in ("reward", "model_output") if name in types), None)
    if event_type is None:
        return []
    events = run.events(event_type, columns=["step", "mode"]).arrow
    events = events.filter(_is_training(events))
    steps: Any = pc.unique(events["step"].drop_null()).to_pylist()
    return sorted(steps)


def _is_training(events: pa.Table) -> Any:
    mode: Any = events["mode"].cast(pa.string())
    return pc.not_equal(pc.fill_null(mode, "train"), pa.scalar("eval"))


def _window(run: Run, first: int, last: int) -> dict[str, Any] | None:
    names, values, groups = _read_matrix(run, first, last)
    if _TOTAL not in names or len(names) < 2:
        return None
    functions = [name for name in names if name != _TOTAL]
    total = values[:, names.index(_TOTAL)]
    is_known = ~np.isnan(total)
    if not is_known.any():
        return None
    rewards = values[:, [names.index(name) for name in functions]]
    weights, shares = share_advantages(rewards[is_known], total[is_known], groups[is_known])
    rows = []
    for i, name in enumerate(functions):
        applied = rewards[:, i][~np.isnan(rewards[:, i])]
        row = {
            "name": name,
            "mean": float(applied.mean()) if len(applied) else None,
            "weight": float(weights[i]),
            "share": None if shares is None else float(shares[i]),
        }
        rows.append(row)
    return {"first": first, "last": last, "completions": int(is_known.sum()), "functions": rows}


def share_advantages(rewards: Array, total: Array, groups: Array) -> tuple[Array, Array | None]:
    """Return the weight of each reward function, and its share of the advantages.

    Args:
        rewards: The rewards (completion, function); NaN: the function does not apply.
        total: The total reward of each completion.
        groups: The number of each completion's group.

    Returns:
        The weights that fit the totals best, and the shares, which sum to 1 if the totals are
        weighted sums; None if the totals are equal within every group.
    """
    filled = np.nan_to_num(rewards)
    weights = np.linalg.lstsq(filled, total, rcond=None)[0]
    deviation = total - _group_means(total, groups)
    variance = float(deviation @ deviation)
    # Equal totals differ by rounding only.
    if variance <= 1e-18 * max(1.0, float(total @ total)):
        return weights, None
    return weights, weights * (filled.T @ deviation) / variance


def _read_matrix(run: Run, first: int, last: int) -> tuple[list[str], Array, Array]:
    """Return the names of the functions, the rewards (completion, function), and the groups."""
    rewards = run.rewards(steps=(first, last)).arrow
    rewards = rewards.filter(_is_training(rewards))
    if len(rewards) and rewards["group"].null_count == 0:
        return _pivot(rewards)
    outputs = run.outputs(
        steps=(first, last), columns=["mode", *map(optional, _PLACE), "rewards/*"]
    ).arrow
    outputs = outputs.filter(_is_training(outputs))
    columns = [name for name in outputs.column_names if name.startswith(_PREFIX)]
    values = np.array([outputs[n].to_numpy().astype(float) for n in columns]).T
    place = [name for name in _PLACE if name in outputs.column_names]
    return (
        [name.removeprefix(_PREFIX) for name in columns],
        values,
        group_rows(outputs, place).of_row,
    )


def _pivot(rewards: pa.Table) -> tuple[list[str], Array, Array]:
    names: Any = pc.unique(rewards["function"]).to_pylist()
    keys = [name for name in ("attempt", "rank", "process", "seq") if name in rewards.column_names]
    row = group_rows(rewards, [*keys, "row"]).of_row
    values = np.full((int(row.max()) + 1, len(names)), np.nan)
    column = pc.index_in(rewards["function"], pa.array(names)).to_numpy()
    values[row, column] = rewards["value"].to_numpy()
    groups = np.zeros(len(values), int)
    groups[row] = group_rows(rewards, [*keys, "group"]).of_row
    return names, values, groups


def _group_means(values: Array, groups: Array) -> Array:
    count = np.bincount(groups)
    means: Array = (np.bincount(groups, values) / np.maximum(count, 1))[groups]
    return means
