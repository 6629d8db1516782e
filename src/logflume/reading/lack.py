"""Which events of a writer are in its journal only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from logflume.reading.columnfile import open_part, read_column
from logflume.reading.journal import open_files, read_lines_from
from logflume.reading.part_name import Part
from logflume.reading.writer import Writer
from logflume.state import RunState

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Lack", "find_lack"]

Parts = Mapping[str, Sequence[Part]]


class Lack:
    """The events that the Parquet parts of a writer lack.

    `seq` has no gaps, so parts whose rows are as many as their highest `seq` says have all up
    to there. Where that doesn't add up, the numbers themselves are read.

    Args:
        attempts: By attempt that may lack something: which `seq` its parts have, as a mask.
    """

    def __init__(self, attempts: Mapping[int, np.ndarray[Any, Any]]) -> None:
        self._held = attempts

    def read_lines(self, writer: Writer) -> Iterator[tuple[bytes, Path]]:
        """Yield the lines of these events in the writer's journal, in order, and their files."""
        for attempt, held in self._held.items():
            gaps = (~held).nonzero()[0]
            first = int(gaps[0]) if gaps.size else len(held)
            with ExitStack() as stack:
                files = open_files(writer.journals, stack)
                for (of, seq), line, path in read_lines_from(files, (attempt, first)):
                    if of != attempt:
                        break
                    if seq >= len(held) or not held[seq]:
                        yield line, path


def find_lack(writer: Writer, state: RunState, parts: Parts) -> Lack | None:
    """Return what the parts lack; None if they have events twice, and can't be relied on.

    Raises:
        FileNotFoundError: A part was replaced meanwhile.
    """
    import numpy as np

    open_attempts = range(state.complete.get(writer.parquet.name, 0), state.attempt + 1)
    held: dict[int, Any] = {}
    for attempt in open_attempts:
        of_attempt = {
            name: [part for part in some if part.attempt == attempt] for name, some in parts.items()
        }
        size = 1 + max((p.last_seq for some in of_attempt.values() for p in some), default=-1)
        rows = _count_rows(writer, of_attempt)
        held[attempt] = np.full(size, rows == size)
        if rows != size:
            for numbers in _read_numbers(writer, of_attempt):
                held[attempt][numbers] = True
            if held[attempt].sum() != rows:
                return None
    return Lack(held)


def _count_rows(writer: Writer, parts: Parts) -> int:
    rows = 0
    for path in _paths(writer, parts):
        with open_part(path) as file:
            rows += file.metadata.num_rows
    return rows


def _read_numbers(writer: Writer, parts: Parts) -> Iterator[Any]:
    return (read_column(path, "seq").to_numpy() for path in _paths(writer, parts))


def _paths(writer: Writer, parts: Parts) -> Iterator[Path]:
    return (writer.parquet / name / part.name for name, some in parts.items() for part in some)
