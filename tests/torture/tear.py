"""What a lost machine leaves of a write that it was about: the beginning."""

from __future__ import annotations

from pathlib import Path
from random import Random

__all__ = ["tear"]

_PIECES = {
    "events.jsonl": b'{"timestamp":"2026-11-23T06:00:00.123456Z","level":"info","text":"\xc3\xa4',
    "rows.csv": b'0,7,3,"number 3, said ""3""\n==',
    "training.log": b"2026-11-23 06:00:00.123 INFO     training probe number=",
    "tensorboard": b"\x18\0\0\0\0\0\0\0\xa3\x7f\x4b\x22\x09\0\0",
}
"""The beginnings of a line, a row with a newline in quotes, a line, a record."""


def tear(run: Path, random: Random) -> None:
    """Append the beginning of a piece to each file that grows.

    A kill alone hardly ever does that: the system finishes almost every write that has begun.
    """
    paths = [run / "events.jsonl", run / "rows.csv", run / "training.log"]
    paths += sorted((run / "tensorboard").glob("events*"))[-1:]
    for path in paths:
        if path.exists() and path.stat().st_size:
            whole = _PIECES.get(path.name, _PIECES["tensorboard"])
            with path.open("ab") as file:
                file.write(whole[: random.randint(1, len(whole))])
