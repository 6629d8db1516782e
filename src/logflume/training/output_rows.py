"""Which of the scored completions a trainer uses, if it discards some."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import msgspec

from logflume.values.plain import plain

_RowsByTokens: TypeAlias = dict[tuple[int, ...], deque[int]]

__all__ = ["ArrayRows", "OutputRows"]


class ArrayRows(NamedTuple):
    """The rows of scored completions in the trainer's arrays; None for a discarded completion.

    Attributes:
        update: For each scored completion, its row in the arrays that the update uses.
        prompt: The same for the arrays about its prompt.
    """

    update: Sequence[int | None]
    prompt: Sequence[int | None]


class OutputRows(msgspec.Struct, frozen=True):
    """The completions that a trainer scored, and those that it uses for the update.

    Trainers that filter rollouts score several batches for one update, or return fewer rows than
    they scored. Rows are recognized by their tokens.

    Attributes:
        token_ids: The tokens of the scored completions.
        used_ids: The tokens of the completions that are used, shape [rows, tokens].
        used_mask: 1 where these are not padding.
    """

    token_ids: Sequence[Sequence[int]]
    used_ids: Any
    used_mask: Any

    def find(self) -> ArrayRows:
        """Return the rows, which are the same in all arrays."""
        found = self._find_used()
        return ArrayRows(found, found)

    def _find_used(self) -> list[int | None]:
        used_ids = plain(self.used_ids)
        rows: _RowsByTokens = defaultdict(deque)
        for row, (ids, mask) in enumerate(zip(used_ids, plain(self.used_mask), strict=True)):
            kept = tuple(int(token) for token, is_token in zip(ids, mask, strict=True) if is_token)
            rows[kept].append(row)
        scored = [tuple(map(int, ids)) for ids in self.token_ids]
        found = [_take(rows, ids) for ids in scored]
        if len(set(found) - {None}) < min(len(scored), len(used_ids)):
            self._find_masked(scored, found, used_ids)
        return found

    def _find_masked(
        self, scored: list[tuple[int, ...]], found: list[int | None], used_ids: list[list[Any]]
    ) -> None:
        """Find the completions whose tokens the trainer masks, such as those that are truncated.

        Their rows are the tokens, then padding, of which it is only known that it repeats a token.
        """
        missing = {ids for ids, row in zip(scored, found, strict=True) if row is None}
        lengths = sorted(set(map(len, missing)), reverse=True)
        rows: _RowsByTokens = defaultdict(deque)
        for row in sorted(set(range(len(used_ids))) - set(found)):
            ids = tuple(map(int, used_ids[row]))
            shortest = len(ids)
            while shortest and ids[shortest - 1] == ids[-1]:
                shortest -= 1
            candidates = (ids[:n] for n in lengths if shortest <= n <= len(ids))
            if match := next((tokens for tokens in candidates if tokens in missing), None):
                rows[match].append(row)
        for index, ids in enumerate(scored):
            if found[index] is None:
                found[index] = _take(rows, ids)


def _take(rows: _RowsByTokens, ids: tuple[int, ...]) -> int | None:
    candidates = rows.get(ids)
    return candidates.popleft() if candidates else None
