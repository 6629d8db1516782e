"""`logflume compact`: merges small Parquet parts."""

from __future__ import annotations

from logflume.cli.base import JsonOption, RunArgument, find_run
from logflume.cli.printing import echo, print_json, size_text
from logflume.cli.progress import progress

__all__ = ["compact"]


def compact(run: RunArgument, json: JsonOption = False) -> None:
    """Merge the small Parquet parts of a run: fewer files are faster to read.

    This happens automatically when a run ends, but not when it is killed.

    Example: logflume compact latest
    """
    import msgspec

    from logflume.maintenance.compact import compact as compact_run

    folder = find_run(run)
    done = list(progress(compact_run(folder), None, "Compact"))
    if json:
        print_json([{**msgspec.structs.asdict(one), "path": str(one.path)} for one in done])
        return
    for one in done:
        if one.files == one.files_before:
            echo(f"{one.path}: {one.files:,} files, nothing to merge")
            continue
        before = f"{one.files_before:,} files, {size_text(one.bytes_before)}"
        echo(f"{one.path}: {before} -> {one.files:,} files, {size_text(one.size_bytes)}")
    if not done:
        echo(f"{folder}: this run has no Parquet files")
