"""What every peer can do here."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, TypedDict, runtime_checkable

__all__ = ["Peer", "Row", "Settling"]


class Row(TypedDict):
    """One completion of the model.

    Attributes:
        prompt: What the model was given.
        completion: What it wrote, about 1 kB.
        rewards: What each function gave.
        advantage: The advantage used for the update.
    """

    prompt: str
    completion: str
    rewards: dict[str, float]
    advantage: float


class Peer(Protocol):
    """A logger as the benchmark drives it. Its methods do what its manual shows, and no more."""

    def open(self, folder: Path) -> None:
        """Start; everything it writes goes to `folder`."""

    def step(self, step: int, scalars: dict[str, float]) -> None:
        """Log the scalars of one training step."""

    def completions(self, step: int, rows: list[Row]) -> None:
        """Log the completions of one training step."""

    def close(self) -> None:
        """Return when everything is written."""


@runtime_checkable
class Settling(Protocol):
    """A peer that works behind the calls: its imports and first files come some time after them."""

    def sanitize(self) -> None:
        """Return when everything so far is done."""
