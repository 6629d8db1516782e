"""Importing one source: find its format, read it, write the run."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from logflume.importing.found import Found
from logflume.importing.source import READERS, Format, find_format, name_run
from logflume.importing.writing import write_run
from logflume.run import RunInfo, check_run_id

__all__ = ["Imported", "import_run"]


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
    format: Format
    events: dict[str, int]
    left_out: dict[str, int]


def import_run(
    source: str | os.PathLike[str],
    *,
    format: Format | None = None,  # noqa: A002 - named as on the command line
    dir: str | os.PathLike[str] = "logs",  # noqa: A002 - named as everywhere
    run: str | None = None,
    follow: Callable[[Iterator[Found]], Iterator[Found]] = iter,
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
