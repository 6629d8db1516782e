"""The writers of a run, and the files that each of them has written."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from logflume.exceptions import RunError
from logflume.runs.lock import is_locked
from logflume.runs.state import RunState

__all__ = [
    "Writer",
    "find_writers",
    "is_own_name",
    "journal_files",
    "rotated_files",
    "rotated_name",
]

_FILE = re.compile(r"(?:events((?:-[^.]*)?)(?:\.\d+)?\.jsonl(?:\.zst)?|run((?:-[^.]*)?)\.json)")


_SUFFIX = re.compile(r"(?:-attempt(\d+))?(?:-(pid(\d+)(?:-\d+)?))?(?:-rank(\d+))?")


_OWN_STARTS = ("events.", "events-", "run.", "run-")
_OWN_ENDS = (".jsonl", ".zst", ".json", ".lock", ".tmp")


def is_own_name(name: str) -> bool:
    """Whether a file in the run's folder is a journal, a run state or a lock, or a draft of one."""
    lower = name.casefold().removeprefix(".")
    return lower.startswith(_OWN_STARTS) and lower.endswith(_OWN_ENDS)


class Writer:
    """The files of one writer of a run: a rank, a concurrent attempt, or a forked child.

    Args:
        folder: The run's folder.
        suffix: The part that the writer's file names share, as `RunInfo.expand` makes it: empty for
            rank 0, `-rank1`, `-pid77`.
        listed: The files of its journal when the folder was listed, with their inodes; None if the
            folder wasn't listed.

    Attributes:
        folder, suffix, listed: As given.
        attempt: The number of a concurrent attempt; None for others.
        rank: Its rank.
        has_known_rank: Whether the suffix is one that `RunInfo.expand` makes.
        process: The tag of a forked child, such as `pid77`; None for others.
        process_id: Its process id.
        journal_name: Name of its journal; rotated files have a number before the extension.
        state_name: Name of its run state.
        lock_name: Name of its lock file.
    """

    def __init__(self, folder: Path, suffix: str, listed: Mapping[str, int] | None = None) -> None:
        self.folder = folder
        self.suffix = suffix
        self.listed = listed
        match = _SUFFIX.fullmatch(suffix)
        attempt, process, process_id, rank = match.groups() if match else (None,) * 4
        self.attempt = None if attempt is None else int(attempt)
        self.rank = int(rank or 0)
        self.has_known_rank = match is not None
        self.process = process
        self.process_id = None if process_id is None else int(process_id)
        self.journal_name = f"events{suffix}.jsonl"
        self.state_name = f"run{suffix}.json"
        self.lock_name = f"run{suffix}.lock"

    @cached_property
    def state(self) -> RunState | None:
        """The state in its `run.json`; None if the file is missing or can't be read.

        A forked child has no such file. Without it, reading relies on the journal, which is
        slower.
        """
        with suppress(RunError):
            return RunState.load(self.folder / self.state_name)
        return None

    @property
    def is_live(self) -> bool:
        """Whether the process is still writing."""
        return is_locked(self.folder / self.lock_name)

    @cached_property
    def parquet(self) -> Path:
        """The folder of its Parquet parts; a forked child has none."""
        return self.folder / f"parquet{self.suffix}"

    @property
    def is_complete(self) -> bool:
        """Whether Parquet has every event, according to the state saved at the end."""
        state = self.state
        return state is not None and state.complete.get(self.parquet.name, 0) > state.attempt

    def journals(self) -> list[Path]:
        """List the folder, and return the files of the journal, in order; see `journal_files`."""
        return journal_files(self.folder / self.journal_name)

    def listed_journals(self) -> list[Path] | None:
        """Return the files of the journal without listing the folder; None if that may miss files.

        A file that is renamed while the folder is listed may appear under neither name. In that
        case the numbers of the rotated files have a gap, or there is another rotated file, or a new
        active one.
        """
        if self.listed is None:
            return None
        path = self.folder / self.journal_name
        numbers = sorted(set(_find_rotated(path, self.listed).values()))
        following = f"{self.folder}/{rotated_name(path, len(numbers) + 1)}"
        unlisted = [following, f"{following}.zst"]
        if self.journal_name not in self.listed:
            unlisted.append(str(path))
        is_whole = numbers == list(range(1, len(numbers) + 1))
        if not is_whole or any(map(os.path.lexists, unlisted)):
            return None
        return _in_order(path, self.listed)


def rotated_name(path: Path, number: int) -> str:
    """Return the name that a file gets when it is rotated.

    >>> rotated_name(Path("logs/events.jsonl"), 1)
    'events.000001.jsonl'
    """
    return f"{path.stem}.{number:06d}{path.suffix}"


def rotated_files(path: Path) -> dict[Path, int]:
    """Return the rotated files of a journal, compressed or not, with their numbers.

    Args:
        path: The file that is rotated: `events.jsonl` becomes `events.000001.jsonl`, later
            `events.000001.jsonl.zst`, and so on.

    Raises:
        OSError: The folder can't be read. (`glob` would report no files in that case.)
    """
    return _find_rotated(path, _list_names(path.parent))


def journal_files(path: Path) -> list[Path]:
    """Return the files of a journal in order: the rotated ones, then the active one.

    If a rotated file has a compressed copy, only the copy is returned. The active file may have
    been compressed by hand.

    Args:
        path: The active file.

    Raises:
        OSError: The folder can't be read.
    """
    return _in_order(path, _list_names(path.parent))


def _list_names(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        return [entry.name for entry in entries]


def _in_order(path: Path, names: Collection[str]) -> list[Path]:
    numbers = _find_rotated(path, names)
    rotated = [file for file in numbers if _compressed(file) not in numbers]
    current = [file for file in (path, _compressed(path)) if file.name in names]
    return [*sorted(rotated, key=numbers.__getitem__), *current[:1]]


def _find_rotated(path: Path, names: Iterable[str]) -> dict[Path, int]:
    start, numbers = f"{path.stem}.", {}
    for name in names:
        if name.startswith(start):
            rest = name.removeprefix(start).removesuffix(".zst")
            number = rest.partition(".")[0]
            if number.isdecimal() and rest.removeprefix(number) == path.suffix:
                numbers[path.with_name(name)] = int(number)
    return numbers


def _compressed(path: Path) -> Path:
    return path.with_name(f"{path.name}.zst")


MAX_WRITERS = 4_096
"""Maximum number of writers of a run that is read."""


def find_writers(folder: Path, max_writers: int | None = MAX_WRITERS) -> list[Writer]:
    """List the folder of a run, and return all its writers, rank 0 first.

    Args:
        folder: The run's folder.
        max_writers: The most that a run may have; None: any number.

    Raises:
        RunError: The run has more.
    """
    found: dict[str, dict[str, int]] = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            if match := _FILE.fullmatch(entry.name):
                of_writer = found.setdefault(match[1] or match[2] or "", {})
                if entry.name.startswith("events"):
                    of_writer[entry.name] = entry.inode()
    if max_writers is not None and len(found) > max_writers:
        raise RunError(
            f"{folder}: the run has {len(found):,} writers (ranks, forked children, concurrent "
            f"attempts), and at most {max_writers:,} can be read. Move the files of ranks that you "
            "don't need to another folder"
        )
    return [Writer(folder, suffix, found[suffix]) for suffix in sorted(found, key=_suffix_key)]


def _suffix_key(suffix: str) -> list[tuple[int, str]]:
    """Return a sort key that puts `-rank2` before `-rank10`."""
    return [
        (int(text), "") if text.isdecimal() else (-1, text) for text in re.split(r"(\d+)", suffix)
    ]
