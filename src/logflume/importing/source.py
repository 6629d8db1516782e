"""Imports a file or folder as a run: detects its format and derives the run id from its name."""

from __future__ import annotations

import codecs
import csv
import json
import os
import re
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from logflume.config.paths import check_path
from logflume.exceptions import ArgumentError, RunError
from logflume.formats.tfevents import is_event_file_name, is_first_record
from logflume.importing.event_files import list_event_files
from logflume.importing.names import ImportedEvent, Reader, Reading
from logflume.importing.steps import STEP_NAMES, TIME_NAMES
from logflume.importing.tensorboard import read_tensorboard
from logflume.importing.trainer_state import MAX_STATE_BYTES, find_states, read_trainer_state
from logflume.importing.wandb_history import read_csv, read_jsonl
from logflume.importing.writing import write_run
from logflume.runs.identity import check_run_id
from logflume.runs.info import RunInfo
from logflume.runs.safe_files import MAX_LINE_BYTES, open_file, read_file

__all__ = ["READERS", "Imported", "SourceFormat", "derive_run_id", "find_format", "import_run"]


class Imported(msgspec.Struct, kw_only=True):
    """The result of an import.

    Attributes:
        run: Id of the run.
        folder: Folder of the run.
        format: The format of the source.
        step: Name of the field that is the step of a row of JSON Lines or CSV; None if no field is
            (then rows are numbered), or if the format has a step of its own.
        events: Number of events by type.
        left_out: Number of items that were not imported, by kind and reason.
    """

    run: str
    folder: str
    format: SourceFormat
    step: str | None
    events: dict[str, int]
    left_out: dict[str, int]


def import_run(
    source: str | os.PathLike[str],
    *,
    format: SourceFormat | None = None,  # noqa: A002 - named as on the command line
    dir: str | os.PathLike[str] = "logs",  # noqa: A002 - named as everywhere
    run: str | None = None,
    step: str | None = None,
    follow: Callable[[Iterator[ImportedEvent]], Iterator[ImportedEvent]] = iter,
) -> Imported:
    """Import the logs of another tool as a run.

    Args:
        source: A file or folder in one of the formats of `SourceFormat`.
        format: The format of the source; None detects it from the content.
        dir: The folder that contains the runs.
        run: Id of the run; None derives it from the name of the source.
        step: Name of the field that is the step, for JSON Lines and CSV; None looks for the names
            that trainers and loggers use.
        follow: Wraps the iterator of imported events, for example to show progress.

    Returns:
        The new run, and the number of events that were imported and of items that were left out.

    Raises:
        ArgumentError: No row has the field `step`, or the format has a step of its own.
        ConfigError: `run` is not a valid run id, or `dir` is not a local path.
        RunError: The source can't be read or has nothing to import, or the run already exists.

    Example:
        >>> import_run("outputs/my-grpo/checkpoint-200").folder
        'logs/my-grpo'
    """
    path = Path(source)
    detected = format or find_format(path)
    info = RunInfo(run=run or derive_run_id(path.resolve()), dir=Path(dir))
    check_run_id(info.run)
    check_path(str(dir), "dir")
    if step is not None and detected not in _ROWS:
        problem = f"only {' and '.join(_ROWS)} have a choice of steps, and this is {detected}"
        raise ArgumentError("import_run", "step", step, problem)
    reading = Reading(step)
    events = READERS[detected](path, reading)
    origin = {"path": str(path), "format": str(detected)}
    counts = write_run(follow(events), info, origin, path.stat().st_mtime)
    return Imported(
        run=info.run,
        folder=str(info.folder),
        format=detected,
        step=reading.step,
        events=dict(counts),
        left_out={reason: number for reason, number in reading.left_out.items() if number},
    )


class SourceFormat(StrEnum):
    """The formats that can be imported."""

    TRAINER_STATE = "trainer_state"
    TENSORBOARD = "tensorboard"
    JSONL = "jsonl"
    CSV = "csv"


READERS: dict[SourceFormat, Reader] = {
    SourceFormat.TRAINER_STATE: read_trainer_state,
    SourceFormat.TENSORBOARD: read_tensorboard,
    SourceFormat.JSONL: read_jsonl,
    SourceFormat.CSV: read_csv,
}

_ROWS = (SourceFormat.JSONL, SourceFormat.CSV)
"""The formats of which a field is the step."""

_GENERIC_NAMES = re.compile(
    r"checkpoint-\d+|trainer_state(\.json)?|events\.out\.tfevents.*|.*tfevents.*|runs|logs|files|tensorboard"
    r"|(wandb-)?(history|export).*|latest|metrics|logging|log_history|"
)
"""Names of files and folders that don't identify a run."""


def find_format(path: Path) -> SourceFormat:
    """Detect the format of a file from its content, or of a folder from the files in it.

    A folder with both a trainer state and event files is imported from the trainer state, which has
    the same numbers in full precision.

    Raises:
        RunError: The path doesn't exist, or the format is not recognized.
    """
    if not path.exists():
        raise RunError(f"{path}: no such file or folder")
    detected = _format_of_folder(path) if path.is_dir() else _format_of_file(path)
    if detected is None:
        raise RunError(
            f"{path}: the format is not recognized. Supported are trainer_state.json of "
            "transformers and TRL, TensorBoard event files (or a folder of these), and rows of "
            "metrics as JSON Lines or CSV. If the file is one of these, pass its format with "
            f"--format ({', '.join(SourceFormat)})"
        )
    return detected


def derive_run_id(path: Path) -> str:
    """Return a run id derived from the nearest name that identifies the run.

    >>> derive_run_id(Path("/out/my grpo/checkpoint-200/trainer_state.json"))
    'my-grpo'
    """
    names = [path.stem if path.is_file() else path.name, *(p.name for p in path.parents)]
    name = next((n for n in names if not _GENERIC_NAMES.fullmatch(n)), "")
    return re.sub(r"[^A-Za-z0-9._+=@:-]+", "-", name).strip("-._+=@:")[:100] or "imported"


def _format_of_folder(path: Path) -> SourceFormat | None:
    if find_states(path):
        return SourceFormat.TRAINER_STATE
    return SourceFormat.TENSORBOARD if list_event_files(path) else None


def _format_of_file(path: Path) -> SourceFormat | None:
    try:
        with open(path, "rb", opener=open_file) as file:
            line = file.readline(MAX_LINE_BYTES)
        if is_first_record(line) or is_event_file_name(path.name):
            return SourceFormat.TENSORBOARD
        text = line.removeprefix(codecs.BOM_UTF8).strip()
        if text.startswith((b"{", b"[")):
            return _format_of_json(text, path)
    except OSError as error:
        raise RunError(f"{path}: the file can't be read: {error}") from error
    return SourceFormat.CSV if _has_step(text) else None


def _format_of_json(first_line: bytes, path: Path) -> SourceFormat | None:
    """Distinguish JSON Lines from a JSON document that spans the whole file."""
    line = _load(first_line)
    if isinstance(line, dict) and "log_history" not in line:
        return SourceFormat.JSONL
    state = _load(read_file(path, MAX_STATE_BYTES)) if line is None else line
    is_state = isinstance(state, dict) and "log_history" in state
    return SourceFormat.TRAINER_STATE if is_state or isinstance(state, list) else None


def _load(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _has_step(text: bytes) -> bool:
    try:
        header = next(csv.reader([text.decode("utf-8", "replace")]), [])
    except csv.Error:
        return False
    names = {name.strip() for name in header}
    return len(names) > 1 and not names.isdisjoint((*STEP_NAMES, *TIME_NAMES))
