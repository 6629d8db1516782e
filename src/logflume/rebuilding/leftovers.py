"""What a crash leaves beside the files of a run."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from logflume.rebuilding.finding import FIX, Finding
from logflume.rebuilding.outputs import Output
from logflume.rebuilding.staging import SUFFIX, clean_up

__all__ = ["find_leftovers", "remove_leftovers"]

_WORK = (".tmp", ".damaged", SUFFIX)


def find_leftovers(folder: Path, outputs: Sequence[Output]) -> list[Finding]:
    """Return what is left in the folder of a run that nobody writes."""
    return [
        Finding(path.relative_to(folder).as_posix(), "left by a crash, or set aside", 1, FIX)
        for path in [*_find_files(folder), *_find_work(folder, outputs, _WORK)]
    ]


def remove_leftovers(folder: Path, outputs: Sequence[Output], is_whole: bool) -> None:
    """Remove what is left; nobody writes the run.

    Args:
        folder: The run's folder.
        outputs: Its outputs.
        is_whole: Whether the journal is: else parts that were set aside stay.

    Raises:
        OSError: Something can't be removed.
    """
    for output in outputs:
        clean_up(output.path)
    ends = _WORK if is_whole else (".tmp",)
    for path in [*_find_files(folder), *_find_work(folder, outputs, ends)]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _find_files(folder: Path) -> list[Path]:
    """Return unfinished compressions and states, and rotated files that were compressed, too."""
    compressed = {path.name.removesuffix(".zst") for path in folder.glob("events*.jsonl.zst")}
    return sorted(
        [
            *folder.glob(".events*.zst.tmp"),
            *folder.glob("run*.json.tmp"),
            *(folder / name for name in compressed if (folder / name).exists()),
        ]
    )


def _find_work(folder: Path, outputs: Sequence[Output], ends: Sequence[str]) -> list[Path]:
    others = [output.path for output in outputs if output.kind != "jsonl"]
    paths = [path.with_name(f".{path.name}{end}") for path in others for end in ends]
    return [path for path in paths if path.is_relative_to(folder) and path.exists()]
