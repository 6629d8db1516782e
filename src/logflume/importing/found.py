"""What a reader of another tool's logs yields."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

__all__ = ["Found", "LeftOut", "Reader"]


class Found(msgspec.Struct):
    """An event as it was found, before it is made one of ours.

    Attributes:
        event: Its type. A `run_finished` tells how the run ended and is written last.
        fields: Its fields; lists and mappings may be nested.
        step: The training step; None where it has none.
        time_s: When it was logged, in seconds since 1970; None where the source doesn't tell.
    """

    event: str
    fields: dict[str, Any]
    step: Any = None
    time_s: float | None = None


LeftOut: TypeAlias = Counter[str]
"""How much was not imported, by what it is and why."""

Reader: TypeAlias = Callable[[Path, LeftOut], Iterator[Found]]
"""Yields what is in a file or folder, and counts what it leaves out."""
