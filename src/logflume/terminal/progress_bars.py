"""Printing beside tqdm's progress bars."""

from __future__ import annotations

import sys
from typing import Any, TextIO

__all__ = ["print_above_bars"]


def print_above_bars(stream: TextIO, text: str) -> None:
    """Print a text that ends in a newline, and leave tqdm's progress bars where they are.

    Raises:
        OSError: The stream can't be written.
    """
    tqdm: Any = getattr(sys.modules.get("tqdm"), "tqdm", None)
    if tqdm is None or not getattr(tqdm, "_instances", None):
        stream.write(text)
        stream.flush()
        return
    # Takes the bars away, prints, and draws them again.
    tqdm.write(text, file=stream, end="")
    stream.flush()
