"""The answers about completions, groups and prompts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as pc

from logflume.exceptions import QueryError
from logflume.query.columns import optional
from logflume.query.open_run import Run
from logflume.query.visits import Mode
from logflume.ui.encoding import shorten_texts
from logflume.ui.output_filter import OutputFilter

__all__ = ["RolloutAnswers"]

_GROUP_TEXT = 300
_VISIT_TEXT = 20_000
_MAX_IDS = 50
_MAX_WHOLE = 400
_MAX_FIGURES = 20_000
_MAX_TOKENS = 20_000
_TOKEN_LISTS = ("token_id", "piece", "logprob", "sampler_logprob", "ref_logprob", "ratio", "mask")
_PLACE = ("attempt", "step", "mode", "generation", "group")
_FIGURES = ("visit", "solved", "step", "mode", "id", "index", "rewards/total")
"""The fields of a `partial` completion of a prompt."""

_MARKS = [
    *map(optional, ("id", "index", "truncated", "quality/correct", "tool_failures")),
    "rewards/*",
]
"""The columns that a row of a group shows of each completion; a run may lack most of them."""


class RolloutAnswers:
    """Answers about the completions of a run.

    Args:
        run: The run.
        solved: The total reward from which a completion solves its prompt, where correctness was
            not measured.
    """

    def __init__(self, run: Run, solved: float | None = None) -> None:
        self._run = run
        self._solved = solved

    def steps(self) -> dict[str, Any]:
        """Return the steps that have completions, by mode.

        Each step is given as its difference from the previous one, or from 0, so that a hundred
        thousand steps take only a few kilobytes on the wire.
        """
        table = self._run.output_steps()
        found: dict[str, set[int]] = {}
        for step, mode in zip(table["step"].to_pylist(), table["mode"].to_pylist(), strict=True):
            of_mode = found.setdefault(mode or "train", set())
            if step is not None:
                of_mode.add(step)
        return {
            "modes": {
                mode: [step - before for before, step in pairwise([0, *sorted(steps)])]
                for mode, steps in found.items()
            }
        }

    def groups(self, step: int, mode: str, wanted: OutputFilter) -> dict[str, Any]:
        """Return the groups of a step, with the rewards and marks of their completions.

        With a filter, `matches` is whether a completion matches, and groups without a match are
        omitted.
        """
        rows = self._groups(step, mode)
        outputs = self._outputs(rows, step)
        matching: set[Any] | None = None
        if wanted.is_set:
            matching = set(wanted.apply(self._run, ["id"], step)["id"].to_pylist())
        groups = []
        for row in rows:
            completions = [
                {**one, "matches": matching is None or one["id"] in matching}
                for one in outputs[row["key"]]
            ]
            if any(one["matches"] for one in completions):
                groups.append({**shorten_texts(row, _GROUP_TEXT), "outputs": completions})
        return {"step": step, "mode": mode, "groups": groups, "of": len(rows)}

    def group(self, step: int, mode: str, key: str) -> dict[str, Any]:
        """Return a group, and its completions with all their fields.

        Raises:
            QueryError: There is no such group.
        """
        rows = self._groups(step, mode)
        group = next((row for row in rows if row["key"] == key), None)
        if group is None:
            raise QueryError(f"step {step} has no group {key}")
        outputs = self._run.outputs(steps=step, groups=[group]).to_pylist()
        outputs.sort(key=lambda row: _number(row.get("index")))
        with_tokens = self._ids_with_tokens(step)
        return {
            "group": shorten_texts(group, _GROUP_TEXT),
            "outputs": [shorten_texts(_present(row)) for row in outputs],
            "with_tokens": [row["id"] for row in outputs if row.get("id") in with_tokens],
        }

    def columns(self, step: int) -> dict[str, Any]:
        """Return the names of the columns that a condition can use, with their types."""
        schema = self._run.outputs(steps=step).arrow.schema
        return {"columns": [{"name": field.name, "type": str(field.type)} for field in schema]}

    def by_id(self, ids: Sequence[str]) -> dict[str, Any]:
        """Return completions with their groups, in the order of their ids. Unknown ids are omitted.

        Args:
            ids: At most 50 ids.
        """
        wanted = list(ids)[:_MAX_IDS]
        places = self._run.outputs(columns=[*_PLACE, optional("id")]).arrow
        if "id" not in places.column_names:
            return {"outputs": []}
        hits = places.filter(pc.is_in(places["id"], pa.array(wanted, pa.string()))).to_pylist()
        if not hits:
            return {"outputs": []}
        rows = self._run.outputs(steps=_span(hits), groups=_groups_of(hits)).to_pylist()
        found = {row["id"]: row for row in rows}
        rows = [_present(found[one]) for one in wanted if one in found]
        return {"outputs": [shorten_texts(row, _VISIT_TEXT) for row in rows]}

    def tokens(self, completion: str, step: int) -> dict[str, Any]:
        """Return what `run.tokens` knows about the tokens of a completion, as lists.

        Lists without any value are omitted. `count` is the number of tokens, of which at most
        20,000 are returned.

        Args:
            completion: The completion's id.
            step: Its step, which makes it faster to find.

        Raises:
            QueryError: The tokens of this completion were not recorded.
        """
        table = self._run.tokens(completion, steps=step).arrow
        kept = table.slice(0, _MAX_TOKENS)
        known = [name for name in _TOKEN_LISTS if kept[name].null_count < len(kept)]
        return {"count": len(table)} | {name: kept[name].to_pylist() for name in known}

    def text(self, step: int, id: str, field: str) -> str:  # noqa: A002 - the name of the field
        """Return the whole text of a field of a completion.

        Raises:
            QueryError: There is no such completion or field.
        """
        table = self._run.outputs(steps=step, columns=["id", field])
        for one, text in zip(table["id"].to_pylist(), table[field], strict=True):
            if one == id:
                return str(text.as_py() or "")
        raise QueryError(f"step {step} has no completion {id}")

    def prompt(self, prompt_id: str) -> dict[str, Any]:
        """Return the completions of a prompt at each of its visits.

        If there are many, only the first and the last ones have all their fields. The others are
        `partial`; `by_id` returns them in full.
        """
        rows = self._run.prompt(prompt_id, solved=self._solved).to_pylist()
        edge = _MAX_WHOLE // 2
        partial = range(edge, len(rows) - edge) if len(rows) > _MAX_WHOLE else range(0)
        outputs = [
            {**{name: row.get(name) for name in _FIGURES}, "partial": True}
            if number in partial
            else shorten_texts(_present(row), _VISIT_TEXT)
            for number, row in enumerate(rows[:_MAX_FIGURES])
        ]
        return {"prompt_id": prompt_id, "outputs": outputs, "count": len(rows)}

    def pass_at(self, sizes: Sequence[int]) -> dict[str, Any]:
        """Return pass@k at each step."""
        return {"pass_at": self._run.pass_at(sizes, solved=self._solved).to_pylist()}

    def _ids_with_tokens(self, step: int) -> set[Any]:
        """Return the ids of the completions of a step whose tokens were recorded."""
        # A pattern, because most runs have no such events.
        events = self._run.events("tokens", columns=[optional("id")], steps=step).arrow
        return set(pc.unique(events["id"]).to_pylist()) if "id" in events.column_names else set()

    def _groups(self, step: int, mode: str) -> list[dict[str, Any]]:
        """Return the groups of a step, each with a `key` that is unique in it."""
        rows = self._run.groups(steps=step, mode=cast(Mode, mode), solved=self._solved).to_pylist()
        counts = Counter(row["group"] for row in rows)
        for number, row in enumerate(rows):
            is_unique = row["group"] is not None and counts[row["group"]] == 1
            row["key"] = str(row["group"]) if is_unique else f"{row['group']}.{number}"
        return rows

    def _outputs(
        self, groups: Sequence[Mapping[str, Any]], step: int
    ) -> dict[str, list[dict[str, Any]]]:
        """Return the marks of the completions of each group, in order, by the group's key."""
        keys = {_place(group): group["key"] for group in groups}
        found: dict[str, list[dict[str, Any]]] = {group["key"]: [] for group in groups}
        if len(keys) == len(groups):
            rows = self._run.outputs(steps=step, columns=[*_PLACE, *_MARKS]).to_pylist()
            for row in rows:
                if (key := keys.get(_place(row))) is not None:
                    found[key].append(_mark(row))
        else:  # groups without a number, distinguished by their prompts only
            for group in groups:
                table = self._run.outputs(steps=step, groups=[group], columns=_MARKS)
                found[group["key"]] = [_mark(row) for row in table.to_pylist()]
        for rows in found.values():
            rows.sort(key=lambda row: _number(row["index"]))
        return found


def _place(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the key that a completion and its group share."""
    mode = row.get("mode") or "train"
    return (mode, *(row.get(name) for name in _PLACE if name != "mode"))


def _span(hits: Sequence[Mapping[str, Any]]) -> tuple[int, int] | None:
    """Return the first and the last step of completions; None if one of them has no step."""
    steps = [hit["step"] for hit in hits]
    return None if None in steps else (min(steps), max(steps))


def _groups_of(hits: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the groups of completions, each once, as `groups()` describes them."""
    groups = {_place(hit): {name: hit.get(name) for name in _PLACE} for hit in hits}
    # A completion without a mode is one of training.
    return [{**group, "mode": group["mode"] or "train"} for group in groups.values()]


def _mark(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": row.get("id"),
        "index": row.get("index"),
        "rewards": {n: v for n, v in row.items() if n.startswith("rewards/")},
        "truncated": row.get("truncated"),
        "correct": row.get("quality/correct"),
        "tool_failures": row.get("tool_failures"),
    }


def _present(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row without nulls, but with those of rewards: null means "does not apply"."""
    return {n: v for n, v in row.items() if v is not None or n.startswith("rewards/")}


def _number(value: Any) -> float:
    return float("inf") if value is None else value
