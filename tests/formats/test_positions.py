"""The set of positions, compared with Python's own set."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from logflume.formats.positions import PositionSet

seqs = st.integers(0, 40) | st.integers(32_760, 32_775) | st.integers(0, 2**62)
positions = st.tuples(st.integers(0, 2), seqs)


@given(st.lists(positions, max_size=60), st.lists(positions, max_size=10))
def test_like_a_set(added: list[tuple[int, int]], others: list[tuple[int, int]]) -> None:
    """Adding, membership, the latest attempt and the gaps are those of a set of pairs."""
    expected: set[tuple[int, int]] = set()
    found = PositionSet()
    for position in added:
        assert (position not in expected) is found.add(*position)
        expected.add(position)

    assert [p in expected for p in [*added, *others]] == [p in found for p in [*added, *others]]
    assert max((attempt for attempt, _ in expected), default=-1) == found.latest_attempt
    gaps: dict[int, list[tuple[int, int]]] = {}
    for attempt in {attempt for attempt, _ in expected}:
        present = [-1, *sorted(seq for other, seq in expected if other == attempt)]
        pairs = itertools.pairwise(present)
        if missing := [(a + 1, b - 1) for a, b in pairs if b > a + 1]:
            gaps[attempt] = missing
    assert gaps == found.gaps()


def test_long_ranges() -> None:
    """Full pages and a gap across the border of pages are found."""
    found = PositionSet()
    for seq in [*range(70_000), *range(100_000, 100_010)]:
        found.add(0, seq)

    assert {0: [(70_000, 99_999)]} == found.gaps()
