"""The interface of a peer: what the benchmark calls, and the data that it passes."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, TypedDict, runtime_checkable

__all__ = ["Completion", "Flushable", "Peer"]


class Completion(TypedDict):
    """One completion of the model.

    Attributes:
        prompt: The prompt.
        completion: The generated text, about 1 kB.
        rewards: The value of each reward function.
        advantage: The advantage used for the update.
    """

    prompt: str
    completion: str
    rewards: dict[str, float]
    advantage: float


class Peer(Protocol):
    """A logging library. The methods do what the library's documentation shows, and no more."""

    def open(self, folder: Path) -> None:
        """Start; all files are written to `folder`."""

    def log_scalars(self, step: int, scalars: dict[str, float]) -> None:
        """Log the scalars of one training step."""

    def log_completions(self, step: int, rows: list[Completion]) -> None:
        """Log the completions of one training step."""

    def close(self) -> None:
        """Return when everything is written."""


@runtime_checkable
class Flushable(Protocol):
    """A peer that works in the background: its imports and first files come after the calls."""

    def flush(self) -> None:
        """Return when everything logged so far is written."""
