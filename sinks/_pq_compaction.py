"""Which small parts to put together."""

from __future__ import annotations

from collections.abc import Sequence

from logflume.reading.part_name import Part

__all__ = ["group_small"]

_MAX_BYTES = 128 * 2**20
_MAX_ROWS = 1_000_000


def group_small(parts: Sequence[Part], more_than: int) -> list[list[Part]]:
    """Return the parts in groups, each to become one part.

    A part of half the largest size is left alone, so that no event is copied again and again.

    Args:
        parts: All parts of a folder, sorted by name.
        more_than: How many small parts are no reason to do anything.

    Returns:
        Groups of neighbours of one attempt, up to 128 MB or a million events each; nothing if
        there is nothing to do.
    """
    if sum(map(_is_small, parts)) <= more_than:
        return []
    groups: list[list[Part]] = []
    for part in parts:
        if groups and _goes_with(groups[-1], part):
            groups[-1].append(part)
        else:
            groups.append([part])
    return groups if len(groups) < len(parts) else []


def _is_small(part: Part) -> bool:
    return part.size_bytes < _MAX_BYTES // 2 and part.rows < _MAX_ROWS // 2


def _goes_with(group: list[Part], part: Part) -> bool:
    together = [*group, part]
    return (
        group[0].attempt == part.attempt
        and all(map(_is_small, together))
        and sum(one.size_bytes for one in together) <= _MAX_BYTES
        and sum(one.rows for one in together) <= _MAX_ROWS
    )
