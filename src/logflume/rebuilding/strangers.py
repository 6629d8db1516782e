"""Files in the folder of an output that its sink has not written: they stay."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from logflume.reading.part_name import is_part_name
from logflume.rebuilding.event_files import find_event_files
from logflume.rebuilding.outputs import Output

__all__ = ["keep_strangers"]


def keep_strangers(output: Output, old: Path, new: Path) -> None:
    """Put the files of strangers into the folder that takes the place of the old one.

    Raises:
        OSError: One can't be copied.
    """
    for path in _strangers(output, old):
        target = new / path.relative_to(old)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(path, target)
        except OSError:  # not every file system has hard links
            shutil.copy2(path, target)


def _strangers(output: Output, folder: Path) -> Iterator[Path]:
    ours = {file.path for file in find_event_files(folder) if file.is_of(output.run)}
    for path in folder.rglob("*"):
        inside = path.relative_to(folder)
        if not path.is_file() or path in ours or inside.parts[0].startswith("."):
            continue
        if output.kind != "parquet" or len(inside.parts) != 2 or not is_part_name(path.name):
            yield path
