"""Which files belong to a journal, and in which order."""

from __future__ import annotations

from pathlib import Path

import pytest

from logflume.runs.files import journal_files


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["events.jsonl", "events.000002.jsonl", "events.000001.jsonl.zst"], [2, 1, 0]),
        (["events.000001.jsonl.zst", "events.000001.jsonl", "events.jsonl"], [0, 2]),
        (["events.1000000.jsonl", "events.999999.jsonl"], [1, 0]),
        (["events.jsonl.zst"], [0]),
        (["events.jsonl.zst", "events.jsonl"], [1]),
        (["events-rank1.jsonl", "events.x.jsonl", ".events.000001.jsonl.zst.tmp", "run.json"], []),
    ],
    ids=["rotated", "copy", "many", "by hand", "by hand, continued", "others"],
)
def test_journal_files(names: list[str], expected: list[int], tmp_path: Path) -> None:
    """Rotated files come first, by number, each once; then the one that is written."""
    for name in names:
        (tmp_path / name).touch()

    assert [names[index] for index in expected] == [
        path.name for path in journal_files(tmp_path / "events.jsonl")
    ]
