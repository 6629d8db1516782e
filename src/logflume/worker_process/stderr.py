"""The standard error of the child, which is the training's."""

from __future__ import annotations

import io

from logflume.worker_process.notifier import Notifier

__all__ = ["Terminal"]


class Terminal(io.TextIOBase):
    """A text stream whose other end is the training: only that one knows of progress bars.

    Args:
        speaker: Tells the training.
        is_terminal: Whether a terminal shows it in the end.
    """

    def __init__(self, speaker: Notifier, *, is_terminal: bool) -> None:
        self._speaker = speaker
        self._is_terminal = is_terminal

    def write(self, text: str) -> int:
        """Send a text, soon."""
        self._speaker.show(text)
        return len(text)

    def isatty(self) -> bool:
        """Whether a terminal shows it in the end."""
        return self._is_terminal
