"""Which format a file or folder has, and how a run that is made of it is called."""

from __future__ import annotations

import codecs
import csv
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from logflume.exceptions import RunError
from logflume.importing.event_files import find_event_files
from logflume.importing.names import ImportedEvent, Reader
from logflume.importing.tensorboard import read_tensorboard
from logflume.importing.trainer_state import find_states, read_trainer_state
from logflume.importing.wandb_history import STEP_NAMES, TIME_NAMES, read_csv, read_jsonl
from logflume.importing.writing import write_run
from logflume.runs.identity import check_run_id
from logflume.runs.info import RunInfo

__all__ = ["READERS", "Imported", "SourceFormat", "find_format", "import_run", "name_run"]


class Imported(msgspec.Struct, kw_only=True):
    """What was imported.

    Attributes:
        run: Id of the run.
        folder: Its folder.
        format: The format of the source.
        events: How many events it has of each type.
        left_out: How much of the source it has not, by what it is and why.
    """

    run: str
    folder: str
    format: SourceFormat
    events: dict[str, int]
    left_out: dict[str, int]


def import_run(
    source: str | os.PathLike[str],
    *,
    format: SourceFormat | None = None,  # noqa: A002 - named as on the command line
    dir: str | os.PathLike[str] = "logs",  # noqa: A002 - named as everywhere
    run: str | None = None,
    follow: Callable[[Iterator[ImportedEvent]], Iterator[ImportedEvent]] = iter,
) -> Imported:
    """Make a run of what another tool has logged.

    Args:
        source: A file or folder; see `logflume.importing.source.Format`.
        format: Its format; None finds it by the content.
        dir: Where runs live.
        run: Id of the run; None derives it from the name of the source.
        follow: Called with the iterator of what is found, for one that shows the progress.

    Raises:
        ConfigError: `run` can't be a run id.
        RunError: The source can't be read, has nothing to import, or the run is there already.

    Example:
        >>> import_run("outputs/my-grpo/checkpoint-200").folder
        'logs/my-grpo'
    """
    path = Path(source)
    found_format = format or find_format(path)
    info = RunInfo(run=run or name_run(path.resolve()), dir=Path(dir))
    check_run_id(info.run)
    left_out: Counter[str] = Counter()
    found = READERS[found_format](path, left_out)
    origin = {"path": str(path), "format": str(found_format)}
    counts = write_run(follow(found), info, origin, path.stat().st_mtime)
    return Imported(
        run=info.run,
        folder=str(info.folder),
        format=found_format,
        events=dict(counts),
        left_out={reason: number for reason, number in left_out.items() if number},
    )


class SourceFormat(StrEnum):
    """What can be imported."""

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

_LONGEST_LINE_BYTES = 1 << 28

_COMMON = re.compile(
    r"checkpoint-\d+|trainer_state(\.json)?|events\.out\.tfevents.*|.*tfevents.*|runs|logs|files|tensorboard"
    r"|(wandb-)?(history|export).*|latest|metrics|logging|log_history|"
)
"""Names that say nothing of the run."""


def find_format(path: Path) -> SourceFormat:
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
            f"({', '.join(SourceFormat)})"
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


def _format_of_folder(path: Path) -> SourceFormat | None:
    if find_states(path):
        return SourceFormat.TRAINER_STATE
    return SourceFormat.TENSORBOARD if find_event_files(path) else None


def _format_of_file(path: Path) -> SourceFormat | None:
    try:
        with path.open("rb") as file:
            line = file.readline(_LONGEST_LINE_BYTES)
    except OSError as error:
        raise RunError(f"{path}: it can't be read: {error}") from error
    if b"brain.Event:" in line[:64] or "tfevents" in path.name:
        return SourceFormat.TENSORBOARD
    text = line.removeprefix(codecs.BOM_UTF8).strip()
    if text.startswith((b"{", b"[")):
        return _format_of_json(text, path)
    return SourceFormat.CSV if _has_step(text) else None


def _format_of_json(first_line: bytes, path: Path) -> SourceFormat | None:
    """Tell a line of many from what goes over the whole file."""
    line = _load(first_line)
    if isinstance(line, dict) and "log_history" not in line:
        return SourceFormat.JSONL
    state = _load(path.read_bytes()) if line is None else line
    is_state = isinstance(state, dict) and "log_history" in state
    return SourceFormat.TRAINER_STATE if is_state or isinstance(state, list) else None


def _load(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _has_step(text: bytes) -> bool:
    header = next(csv.reader([text.decode("utf-8", "replace")]), [])
    return len(header) > 1 and not set(header).isdisjoint((*STEP_NAMES, *TIME_NAMES))
