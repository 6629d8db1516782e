"""How the user describes a run: hyperparameters, tags and notes."""

from __future__ import annotations

from typing import Any

import msgspec

__all__ = ["RunDescription"]


class RunDescription(msgspec.Struct, frozen=True, kw_only=True):
    """What `initialize` was given about a run. It is stored in `run.json` and in `run_started`.

    Attributes:
        hyperparameters: Plain values by name; the names of nested ones are joined with `/`.
        tags: Short words to find the run by.
        notes: A text; None without one.
    """

    hyperparameters: dict[str, Any] = msgspec.field(default_factory=dict)
    tags: tuple[str, ...] = ()
    notes: str | None = None

    def after(self, earlier: RunDescription) -> RunDescription:
        """Return the description of a continued run, which keeps what isn't given again.

        >>> first = RunDescription(tags=("small",), hyperparameters={"lr": 1e-5, "beta": 0.0})
        >>> RunDescription(hyperparameters={"lr": 1e-6}).after(first).hyperparameters
        {'lr': 1e-06, 'beta': 0.0}
        """
        return RunDescription(
            hyperparameters={**earlier.hyperparameters, **self.hyperparameters},
            tags=tuple(dict.fromkeys((*earlier.tags, *self.tags))),
            notes=earlier.notes if self.notes is None else self.notes,
        )

    def as_fields(self) -> dict[str, Any]:
        """Return the fields of `run_started`: those that are not empty."""
        fields = {
            "hyperparameters": self.hyperparameters,
            "tags": list(self.tags),
            "notes": self.notes,
        }
        return {name: value for name, value in fields.items() if value}
