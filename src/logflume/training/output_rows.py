"""Which of the scored completions a trainer uses, where it discards some."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from typing import Any

import msgspec

from logflume.values.plain import plain

__all__ = ["KnownRows", "OutputRows"]


class OutputRows(msgspec.Struct, frozen=True):
    """The completions that a trainer got, and those that it uses for the update.

    Trainers that filter rollouts score several batches for one update, or return fewer rows than
    they scored. Rows are recognized by their tokens.

    Attributes:
        token_ids: The tokens of the scored completions.
        used_ids: The tokens of the completions that are used, shape [rows, tokens].
        used_mask: 1 where these are no padding.
    """

    token_ids: Sequence[Sequence[int]]
    used_ids: Any
    used_mask: Any

    def find(self) -> list[int | None]:
        """Return for each scored completion the row in which it is used; None: it is discarded."""
        rows: dict[tuple[Any, ...], deque[int]] = defaultdict(deque)
        used = zip(plain(self.used_ids), plain(self.used_mask), strict=True)
        for row, (ids, mask) in enumerate(used):
            kept = tuple(int(token) for token, is_token in zip(ids, mask, strict=True) if is_token)
            rows[kept].append(row)
        found: list[int | None] = []
        for ids in self.token_ids:
            candidates = rows.get(tuple(map(int, ids)))
            found.append(candidates.popleft() if candidates else None)
        return found


class KnownRows(msgspec.Struct, frozen=True):
    """The completions that a trainer uses, where that is known.

    Attributes:
        rows: For each completion its row among those that have advantages; None: it is discarded.
    """

    rows: list[int | None]

    def find(self) -> list[int | None]:
        """Return `rows`."""
        return self.rows
