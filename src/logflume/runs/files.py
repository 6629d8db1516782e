"""The processes that have written a run, each with files of its own."""

from __future__ import annotations

import re
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from logflume.exceptions import RunError
from logflume.runs.lock import is_locked
from logflume.runs.state import RunState

__all__ = ["Writer", "find_writers"]

_FILE = re.compile(r"(?:events((?:-[^.]*)?)(?:\.\d+)?\.jsonl(?:\.zst)?|run((?:-[^.]*)?)\.json)")


class Writer:
    """One rank, one attempt beside another, or one forked child of a run: its files.

    Args:
        folder: The run's folder.
        suffix: What its files have in their names: empty for rank 0, `-rank1`, `-pid77`.
    """

    def __init__(self, folder: Path, suffix: str) -> None:
        self.folder = folder
        self.suffix = suffix

    @cached_property
    def state(self) -> RunState | None:
        """What it has noted in `run.json`; None if that can't be read, or isn't there.

        A forked child has none. Without it the journal tells everything, only more slowly.
        """
        with suppress(RunError):
            return RunState.load(self.folder / f"run{self.suffix}.json")
        return None

    @property
    def is_live(self) -> bool:
        """Whether the process is writing at this moment."""
        return is_locked(self.folder / f"run{self.suffix}.lock")

    @property
    def parquet(self) -> Path:
        """The folder of its Parquet parts; a forked child has none."""
        return self.folder / f"parquet{self.suffix}"

    @property
    def is_complete(self) -> bool:
        """Whether Parquet has every event, as the writer noted when it ended."""
        state = self.state
        return state is not None and state.complete.get(self.parquet.name, 0) > state.attempt

    def journals(self) -> list[Path]:
        """Return the files of its journal, in order.

        Of a file that is just being compressed it is the result, if that is there.
        """
        names = {path.name for path in self.folder.glob(f"events{self.suffix}.*")}
        names = {name for name in names if name.endswith((".jsonl", ".jsonl.zst"))}
        return sorted((self.folder / n for n in names if f"{n}.zst" not in names), key=_order)


def find_writers(folder: Path) -> list[Writer]:
    """Return all that have written a run, rank 0 first."""
    matches = (_FILE.fullmatch(path.name) for path in folder.iterdir())
    suffixes = {match[1] or match[2] or "" for match in matches if match}
    return [Writer(folder, suffix) for suffix in sorted(suffixes, key=_natural)]


def _natural(suffix: str) -> list[tuple[int, str]]:
    """Sort `-rank2` before `-rank10`."""
    return [
        (int(text), "") if text.isdecimal() else (-1, text) for text in re.split(r"(\d+)", suffix)
    ]


def _order(path: Path) -> tuple[int, str]:
    """Sort rotated files before the one in use: events.000001, events.000002, events."""
    number = path.name.partition(".")[2].partition(".")[0]
    return (int(number) if number.isdecimal() else 1 << 62, path.name)
