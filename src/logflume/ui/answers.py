"""The answers about runs: the list, one run, its curves and its findings."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import msgspec

from logflume.query.faults import read_faults
from logflume.query.open_run import Run
from logflume.query.overview import find_status, read_overview
from logflume.ui.curves import Curves, read_curves, select_main
from logflume.ui.encoding import shorten_texts
from logflume.ui.run_folders import RunFolders, UnknownRunError, version_of

__all__ = ["Answers"]

_KEPT_CURVES = 6
_MAX_MESSAGES = 200
_MAX_HYPERPARAMETERS = 12


class Answers:
    """Answers about the runs in some folders. Answers about an unchanged run are cached.

    Args:
        folders: The folders.
    """

    def __init__(self, folders: RunFolders) -> None:
        self.folders = folders
        self._rows: dict[Path, tuple[str, dict[str, Any]]] = {}
        self._curves: OrderedDict[Path, tuple[str, Curves]] = OrderedDict()
        self._lock = Lock()

    def runs(self) -> dict[str, Any]:
        """Return one row for each run, the newest first, with the hyperparameters that differ."""
        rows = [self._row(name, folder) for name, folder in self.folders.find().items()]
        rows.sort(key=lambda row: (row["started"] is not None, row["started"]), reverse=True)
        names = _differing([row["hyperparameters"] for row in rows])
        return {
            "differing": names,
            "runs": [
                {**row, "hyperparameters": {n: row["hyperparameters"].get(n) for n in names}}
                for row in rows
            ],
        }

    def versions(self, names: Sequence[str]) -> dict[str, Any]:
        """Return a text for each run that changes whenever the run does; None: the run is gone."""
        return {"versions": {name: self._version(name) for name in names}}

    def _version(self, name: str) -> str | None:
        try:
            return version_of(self.folders.open(name).folder)
        except UnknownRunError:
            return None

    def run(self, name: str) -> dict[str, Any]:
        """Return the summary of a run, its attempts, and its messages.

        Raises:
            RunError: There is no such run, or it is damaged.
        """
        with self.folders.pinned(name) as run:
            return self._summarize(run)

    def _summarize(self, run: Run) -> dict[str, Any]:
        summary = run.info
        info = msgspec.structs.asdict(summary)
        del info["folder"], info["config"]
        types = run.event_types()
        messages = run.events("message").to_pylist() if "message" in types else []
        return {
            **info,
            "earlier_steps": summary.earlier_steps,
            "events": sorted(types),
            "attempts": _attempts(run) if info["attempt"] else [],
            "faults": [_message(fault) for fault in read_faults(run)],
            "messages": [_message(event) for event in messages[-_MAX_MESSAGES:]],
            "messages_omitted": max(0, len(messages) - _MAX_MESSAGES),
        }

    def curves(self, name: str, names: Sequence[str]) -> dict[str, Any]:
        """Return curves of a run, and the names of all its curves.

        Args:
            name: The run's id.
            names: The curves to return; if empty, the most important ones.
        """
        with self.folders.pinned(name) as run:
            curves = self._read_curves(run)
        main = select_main(curves)
        wanted = names or main
        # The page draws the spread around the mean.
        spreads = [spread for one in wanted if (spread := _spread(one)) in curves]
        return {
            "names": list(curves),
            "main": main,
            "curves": {one: curves[one] for one in (*wanted, *spreads) if one in curves},
        }

    def alerts(self, name: str) -> dict[str, Any]:
        """Return the findings of a run, in the order they were logged.

        A finding that is over has `over_since`, from the alert that reports its end, which is
        omitted.
        """
        with self.folders.pinned(name) as run:
            rows = run.events("alert").to_pylist()
        return {"alerts": _with_ends([_without_nulls(row) for row in rows])}

    def ranks(self, name: str) -> dict[str, Any]:
        """Return the durations of the ranks in each step: see `run.ranks()`."""
        return {"ranks": self.folders.open(name).ranks().to_pylist()}

    def _row(self, name: str, folder: Path) -> dict[str, Any]:
        status, writers = find_status(folder)
        version = version_of(folder, status)
        known = self._rows.get(folder)
        if known is None or known[0] != version:
            row, error = read_overview(folder, status, writers)
            known = version, row if error is None else {**row, "error": error}
            self._rows[folder] = known
        return {**known[1], "run": name, "folder": folder.name}

    def _read_curves(self, run: Run) -> Curves:
        version = version_of(run.folder)
        with self._lock:
            known = self._curves.get(run.folder)
        if known is not None and known[0] == version:
            return known[1]
        curves = read_curves(run)
        with self._lock:
            self._curves[run.folder] = version, curves
            self._curves.move_to_end(run.folder)
            while len(self._curves) > _KEPT_CURVES:
                self._curves.popitem(last=False)
        return curves


def _differing(settings: Sequence[dict[str, Any]]) -> list[str]:
    """Return the hyperparameters that differ between the runs that have them."""
    values: dict[str, set[str]] = {}
    for of_run in settings:
        for name, value in of_run.items():
            values.setdefault(name, set()).add(repr(value))
    return [name for name, seen in values.items() if len(seen) > 1][:_MAX_HYPERPARAMETERS]


def _attempts(run: Run) -> list[dict[str, Any]]:
    """Return the first step that each later attempt of a run reported."""
    events = Run(run.folder, "all").events("training", columns=["step", "attempt"]).to_pylist()
    first: dict[int, int] = {}
    for event in events:
        if event["step"] is not None and event["attempt"]:
            first.setdefault(event["attempt"], event["step"])
    return [{"attempt": attempt, "step": step} for attempt, step in first.items()]


def _message(event: dict[str, Any]) -> dict[str, Any]:
    names = ("timestamp", "level", "step", "rank", "logger", "message", "component", "reason")
    return shorten_texts(_without_nulls({name: event.get(name) for name in names}), 4_000)


def _with_ends(alerts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Omit alerts that report an end, and give their `over_since` to the alerts they refer to."""
    raised: list[dict[str, Any]] = []
    latest: dict[tuple[Any, ...], dict[str, Any]] = {}
    for alert in alerts:
        key = tuple(alert.get(name) for name in ("attempt", "rank", "process", "signal"))
        if "over_since" in alert and key in latest:
            latest.pop(key)["over_since"] = alert["over_since"]
        else:
            raised.append(alert)
            latest[key] = alert
    return raised


def _without_nulls(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None}


def _spread(name: str) -> str:
    return "reward_std" if name == "reward" else f"{name.removesuffix('/mean')}/std"
