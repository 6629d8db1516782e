"""The standard error of the child, which is the training's."""

from __future__ import annotations

import io

from logflume.detached.messages import Link, Text

__all__ = ["Terminal"]


class Terminal(io.TextIOBase):
    """A text stream whose other end is the training: only that one knows of progress bars.

    Args:
        link: The pipes.
        is_terminal: Whether a terminal shows it in the end.
    """

    def __init__(self, link: Link, *, is_terminal: bool) -> None:
        self._link = link
        self._is_terminal = is_terminal

    def write(self, text: str) -> int:
        """Send a text.

        Raises:
            OSError: The training has ended.
        """
        self._link.send(Text(text))
        return len(text)

    def isatty(self) -> bool:
        """Whether a terminal shows it in the end."""
        return self._is_terminal
