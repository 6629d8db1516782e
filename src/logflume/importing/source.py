"""Which format a file or folder has, and how a run that is made of it is called."""

from __future__ import annotations

import codecs
import csv
import json
import re
from enum import StrEnum
from pathlib import Path
from typing import Any

from logflume.exceptions import RunError
from logflume.importing.csvfile import read_csv
from logflume.importing.eventfile import find_event_files
from logflume.importing.found import Reader
from logflume.importing.history import STEP_NAMES, TIME_NAMES
from logflume.importing.jsonl import read_jsonl
from logflume.importing.tensorboard import read_tensorboard
from logflume.importing.trainer_state import find_states, read_trainer_state

__all__ = ["READERS", "Format", "find_format", "name_run"]


class Format(StrEnum):
    """What can be imported."""

    TRAINER_STATE = "trainer_state"
    TENSORBOARD = "tensorboard"
    JSONL = "jsonl"
    CSV = "csv"


READERS: dict[Format, Reader] = {
    Format.TRAINER_STATE: read_trainer_state,
    Format.TENSORBOARD: read_tensorboard,
    Format.JSONL: read_jsonl,
    Format.CSV: read_csv,
}

_LONGEST_LINE_BYTES = 1 << 28
_COMMON = re.compile(
    r"checkpoint-\d+|trainer_state(\.json)?|events\.out\.tfevents.*|.*tfevents.*|runs|logs|files|tensorboard"
    r"|(wandb-)?(history|export).*|latest|metrics|logging|log_history|"
)
"""Names that say nothing of the run."""


def find_format(path: Path) -> Format:
    """Return the format of a file by its content, of a folder by what it holds.

    A folder that has both a trainer's state and event files is taken for the first: it has the
    same numbers, and all their digits.

    Raises:
        RunError: There is nothing at the path, or nothing that can be imported.
    """
    if not path.exists():
        raise RunError(f"{path}: there is no such file or folder")
    found = _format_of_folder(path) if path.is_dir() else _format_of_file(path)
    if found is None:
        raise RunError(
            f"{path}: nothing is known to import here. What can be imported: trainer_state.json of "
            "transformers and TRL, TensorBoard's event files (also folders of these), a history of "
            "W&B as JSON Lines or CSV. A file that is one of them: say which with --format "
            f"({', '.join(Format)})"
        )
    return found


def name_run(path: Path) -> str:
    """Return a run id made of the nearest name that says something.

    >>> name_run(Path("/out/my grpo/checkpoint-200/trainer_state.json"))
    'my-grpo'
    """
    places = [path.stem if path.is_file() else path.name, *(p.name for p in path.parents)]
    name = next((n for n in places if not _COMMON.fullmatch(n)), "")
    return re.sub(r"[^A-Za-z0-9._+=@:-]+", "-", name).strip("-._+=@:")[:100] or "imported"


def _format_of_folder(path: Path) -> Format | None:
    if find_states(path):
        return Format.TRAINER_STATE
    return Format.TENSORBOARD if find_event_files(path) else None


def _format_of_file(path: Path) -> Format | None:
    try:
        with path.open("rb") as file:
            line = file.readline(_LONGEST_LINE_BYTES)
    except OSError as error:
        raise RunError(f"{path}: it can't be read: {error}") from error
    if b"brain.Event:" in line[:64] or "tfevents" in path.name:
        return Format.TENSORBOARD
    text = line.removeprefix(codecs.BOM_UTF8).strip()
    if text.startswith((b"{", b"[")):
        return _format_of_json(text, path)
    return Format.CSV if _has_step(text) else None


def _format_of_json(first_line: bytes, path: Path) -> Format | None:
    """Tell a line of many from what goes over the whole file."""
    line = _load(first_line)
    if isinstance(line, dict) and "log_history" not in line:
        return Format.JSONL
    state = _load(path.read_bytes()) if line is None else line
    is_state = isinstance(state, dict) and "log_history" in state
    return Format.TRAINER_STATE if is_state or isinstance(state, list) else None


def _load(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _has_step(text: bytes) -> bool:
    header = next(csv.reader([text.decode("utf-8", "replace")]), [])
    return len(header) > 1 and not set(header).isdisjoint((*STEP_NAMES, *TIME_NAMES))
