"""A damaged journal without what is no event: readers get the rest of it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any

from logflume.reading.writer import Writer
from logflume.rebuilding.entries import read_entries
from logflume.rebuilding.seen import Seen
from logflume.registry import SINKS, build, find
from logflume.run import RunInfo

__all__ = ["cut_torn_line", "take_out_damage"]


def take_out_damage(writer: Writer, run: RunInfo, damaged: Collection[Path]) -> None:
    """Write files of a journal anew, with the lines that are events, each once.

    The old files are kept, hidden: `.events.jsonl.damaged`.

    Raises:
        OSError: One can't be written; it is as it was.
    """
    seen = Seen()
    drafts: dict[Path, Path] = {}
    with ExitStack() as stack:
        files: dict[Path, Any] = {}
        for path in damaged:
            drafts[path] = path.with_name(f".{path.name}.tmp")
            files[path] = stack.enter_context(_create(drafts[path]))
        for entry in read_entries(writer, run):
            event = entry.event
            is_kept = event is not None and seen.add(event["attempt"], event["seq"])
            if is_kept and entry.path in files:
                files[entry.path].write(entry.line)
    for path, draft in drafts.items():
        _keep(path)
        draft.replace(path)


def cut_torn_line(writer: Writer) -> None:
    """Remove a torn last line, and finish the compressions that were under way: its sink does.

    Raises:
        RunError: The journal can't be opened.
    """
    path = writer.folder / f"events{writer.suffix}.jsonl"
    build(find(SINKS, "jsonl", "sinks"), {"path": str(path)}, {}, "sinks.jsonl").close()


def _create(draft: Path) -> Any:
    if ".zst" not in draft.suffixes:
        return draft.open("wb")
    import pyarrow as pa

    return pa.CompressedOutputStream(str(draft), "zstd")


def _keep(path: Path) -> None:
    names = (f".{path.name}.damaged" + (f"-{n}" if n > 1 else "") for n in count(1))
    kept = next(kept for name in names if not (kept := path.with_name(name)).exists())
    try:
        os.link(path, kept)
    except OSError:  # not every file system has hard links
        shutil.copy2(path, kept)
