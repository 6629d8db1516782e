"""Imports the `trainer_state.json` that transformers and TRL save with each checkpoint.

Its `log_history` contains every report of the trainer unchanged. The reports become `training`,
`evaluation` and `summary` events. The rest becomes `run_started` (the hyperparameters) and
`trainer_state` (`total_flos`, `best_metric` and so on).

The file contains no times, so all events get its modification time. `training_args.bin`, which has
the hyperparameters, is a pickle and could execute arbitrary code, so it is never opened.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from logflume.events.trainer_names import split_report
from logflume.exceptions import RunError
from logflume.importing.event_files import list_event_files
from logflume.importing.names import ImportedEvent, LeftOut, Reading, parse_nonfinite
from logflume.runs.safe_files import read_file

__all__ = ["MAX_STATE_BYTES", "STATE_FILE", "find_states", "read_trainer_state"]

STATE_FILE = "trainer_state.json"

MAX_STATE_BYTES = 2**30
"""Maximum size of such a file: the log of ten million steps."""

_HYPERPARAMETERS = frozenset(
    {"eval_steps", "logging_steps", "max_steps", "num_train_epochs", "save_steps"}
    | {"train_batch_size", "trial_name", "trial_params"}
)
_EXCLUDED = frozenset(
    {"log_history", "stateful_callbacks", "is_local_process_zero", "is_world_process_zero"}
)
"""Keys that don't describe the training, or are imported separately."""


def find_states(folder: Path) -> list[Path]:
    """Return every `trainer_state.json` of a folder and its checkpoints."""
    return [*folder.glob(STATE_FILE), *folder.glob(f"checkpoint-*/{STATE_FILE}")]


def read_trainer_state(path: Path, reading: Reading) -> Iterator[ImportedEvent]:
    """Yield the events of a `trainer_state.json`, or of the newest one in a folder.

    Raises:
        RunError: There is none, or it can't be read.
    """
    left_out = reading.left_out
    file, state = _load_newest(path, left_out) if path.is_dir() else (path, _load(path))
    if (file.parent / "training_args.bin").exists():
        left_out["training_args.bin: a pickle, which could execute arbitrary code"] += 1
    if path.is_dir() and (event_files := list_event_files(path)):
        left_out["event files (import them with --format tensorboard)"] += len(event_files)
    time_s, step = file.stat().st_mtime, state.get("global_step")
    yield ImportedEvent(
        "run_started", {"hyperparameters": _pick(state, _HYPERPARAMETERS)}, None, time_s
    )
    for report in state["log_history"]:
        if isinstance(report, dict):
            yield from _events(report, time_s)
        else:
            left_out["log_history entries that are not reports"] += 1
    rest = _pick(state, state.keys() - _HYPERPARAMETERS - _EXCLUDED)
    if rest:
        yield ImportedEvent("trainer_state", rest, step, time_s)
    yield ImportedEvent("run_finished", {"status": _status(state)}, step, time_s)


def _events(report: dict[str, Any], time_s: float) -> Iterator[ImportedEvent]:
    metrics = {name: parse_nonfinite(value) for name, value in report.items() if name != "step"}
    step = report.get("step")
    for event, fields in split_report(metrics, is_whole=True).items():
        if fields:
            yield ImportedEvent(event, {"global_step": step, **fields}, step, time_s)


def _pick(state: dict[str, Any], names: Any) -> dict[str, Any]:
    return {
        name: parse_nonfinite(state[name]) for name in sorted(names) if state.get(name) is not None
    }


def _status(state: dict[str, Any]) -> str:
    """Return `finished`, or `interrupted` if the log ends before the last step."""
    step, last_step = state.get("global_step"), state.get("max_steps")
    has_summary = any(isinstance(r, dict) and "train_runtime" in r for r in state["log_history"])
    is_incomplete = isinstance(step, int) and isinstance(last_step, int) and step < last_step
    return "interrupted" if is_incomplete and not has_summary else "finished"


def _load_newest(folder: Path, left_out: LeftOut) -> tuple[Path, dict[str, Any]]:
    """Return the state of the last step; of several, the one with the longest log."""
    states: list[tuple[Path, dict[str, Any]]] = []
    fault = RunError(f"{folder}: no {STATE_FILE} in this folder or its checkpoint-* folders")
    for path in find_states(folder):
        try:
            states.append((path, _load(path)))
        except RunError as error:  # a killed training may leave a torn file
            fault = error
            left_out[f"{STATE_FILE} files that can't be read"] += 1
    if not states:
        raise fault
    return max(states, key=lambda loaded: _progress(loaded[1]))


def _progress(state: dict[str, Any]) -> tuple[int, int]:
    step = state.get("global_step")
    return step if isinstance(step, int) else 0, len(state["log_history"])


def _load(path: Path) -> dict[str, Any]:
    """Return a state. It may contain bare NaN and infinities, which strict JSON readers reject."""
    try:
        state = json.loads(read_file(path, MAX_STATE_BYTES))
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{path}: the file can't be read: {error}") from error
    if isinstance(state, list):  # `trainer.state.log_history`, saved by hand
        state = {"log_history": state}
    if not isinstance(state, dict) or not isinstance(state.get("log_history"), list):
        raise RunError(f"{path}: not a {STATE_FILE}: it has no log_history")
    return state
