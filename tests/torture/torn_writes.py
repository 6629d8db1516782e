"""Torn writes: files that end in the first part of a line, row or record, as after a power loss."""

from __future__ import annotations

from pathlib import Path
from random import Random

__all__ = ["append_torn_writes"]

_WRITES = {
    "events.jsonl": b'{"timestamp":"2026-11-23T06:00:00.123456Z","level":"info","text":"\xc3\xa4',
    "rows.csv": b'0,7,3,"number 3, said ""3""\n==',
    "training.log": b"2026-11-23 06:00:00.123 INFO     training probe number=",
    "tensorboard": b"\x18\0\0\0\0\0\0\0\xa3\x7f\x4b\x22\x09\0\0",
}
"""By file, the start of a JSON line, of a row with a quoted newline, of a line, of a record."""


def append_torn_writes(run: Path, random: Random) -> None:
    """Append a torn write of random length to each file that the sinks append to.

    A kill alone hardly ever tears a write: the operating system completes almost every write that
    has begun.
    """
    paths = [run / "events.jsonl", run / "rows.csv", run / "training.log"]
    paths += sorted((run / "tensorboard").glob("events*"))[-1:]
    for path in paths:
        if path.exists() and path.stat().st_size:
            write = _WRITES.get(path.name, _WRITES["tensorboard"])
            with path.open("ab") as file:
                file.write(write[: random.randint(1, len(write))])
