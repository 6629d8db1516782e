"""Prints text without disturbing tqdm's progress bars."""

from __future__ import annotations

import sys
from typing import Any, TextIO

from logflume.terminal.streams import print_text

__all__ = ["print_above_bars"]


def print_above_bars(stream: TextIO | None, text: str) -> None:
    """Print text above any active tqdm progress bars.

    Args:
        stream: Where to print; None prints nothing.
        text: The text, which ends in a newline.

    Raises:
        OSError: The stream can't be written.
    """
    tqdm: Any = getattr(sys.modules.get("tqdm"), "tqdm", None)
    if tqdm is None or not getattr(tqdm, "_instances", None):
        print_text(stream, text)
    elif stream is not None:
        # Clears the bars, prints, and draws them again.
        tqdm.write(text, file=stream, end="")
        print_text(stream, "")
