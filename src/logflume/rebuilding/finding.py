"""What the doctor has found."""

from __future__ import annotations

import msgspec

__all__ = ["FIX", "Finding"]

FIX = "run with --fix"


class Finding(msgspec.Struct, frozen=True):
    """Something that is not as it should be.

    Attributes:
        file: The file or folder, within the run's folder.
        what: What is wrong with it.
        count: How many: events, rows, lines, bytes, files.
        do: What to do about it.
    """

    file: str
    what: str
    count: int
    do: str
