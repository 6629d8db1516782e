"""Removes a run's folder, or archives it, if no process is writing the run.

A folder is renamed first, so that no reader finds half of a run. Links in it are not followed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from logflume.exceptions import RunError
from logflume.runs.files import find_writers
from logflume.runs.identity import LATEST
from logflume.runs.lock import acquire
from logflume.runs.safe_files import make_folder
from logflume.runs.state import RunState

__all__ = ["ARCHIVE", "archive_run", "check_removable", "remove_run"]

ARCHIVE = "archive"
"""Name of the folder for archived runs, next to the other runs."""

_LOCK = "run.lock"


def remove_run(folder: Path) -> None:
    """Delete a run's folder with everything in it.

    Args:
        folder: The folder, or the link `latest` next to it.

    Raises:
        RunError: A process writes the run, it isn't a run, or the folder is somewhere else.
        OSError: The folder can't be deleted. What remains has a hidden name.
    """
    with _exclusive(folder) as own:
        doomed = own.with_name(f".{own.name}.removed-{os.getpid()}")
        own.rename(doomed)
        _repair_latest(own)
    shutil.rmtree(doomed)


def archive_run(folder: Path) -> Path:
    """Move a run's folder to the folder `archive` next to it, and return the new path.

    Raises:
        RunError: A process writes the run, it isn't a run, or the archive has one of this name.
        OSError: The folder can't be moved.
    """
    with _exclusive(folder) as own:
        archive = own.parent / ARCHIVE
        if own.parent.name == ARCHIVE:
            raise RunError(f"{own}: the run is already archived; `mv` moves it back")
        make_folder(archive)
        target = archive / own.name
        if os.path.lexists(target):
            raise RunError(f"{target}: the archive has a run of this name; rename or remove it")
        own.rename(target)
        (target / _LOCK).unlink(missing_ok=True)
        _repair_latest(own)
    return target


def check_removable(folder: Path) -> Path:
    """Return the folder of a run that no process writes, with `latest` resolved.

    Raises:
        RunError: A process writes the run, it isn't a run, or the folder is somewhere else.
    """
    own = folder.resolve()
    # Links in the parent folders are the user's own; only the last part is checked.
    if folder.is_symlink() and own.parent != folder.parent.resolve():
        raise RunError(f"{folder}: a link to another folder. To use that one, give its path: {own}")
    writers = find_writers(own) if own.is_dir() else []
    if not writers:
        raise RunError(f"{folder}: there is no run here")
    if live := next((writer for writer in writers if writer.is_live), None):
        raise RunError(f"{folder}: a process is writing this run (lock file: {live.lock_name})")
    with os.scandir(own) as entries:
        folders = [Path(entry) for entry in entries if entry.is_dir(follow_symlinks=False)]
    inner = [folder.name for folder in folders if find_writers(folder)]
    if inner:
        raise RunError(f"{folder}: this folder contains other runs, such as {inner[0]}")
    return own


@contextmanager
def _exclusive(folder: Path) -> Iterator[Path]:
    """Hold the lock of a run that no process writes."""
    own = check_removable(folder)
    lock = acquire(own / _LOCK)
    if lock is None:
        raise RunError(f"{folder}: a process is writing this run (lock file: {_LOCK})")
    try:
        yield own
    finally:
        lock.release()


def _repair_latest(gone: Path) -> None:
    """Point the link `latest` to the run that started last, if it pointed to this one."""
    link = gone.with_name(LATEST)
    if not link.is_symlink() or link.parent / link.readlink() != gone:
        return
    with suppress(OSError):
        link.unlink()
        started = dict(_started_runs(gone.parent))
        if started:
            link.symlink_to(max(started, key=started.__getitem__), target_is_directory=True)


def _started_runs(folder: Path) -> Iterator[tuple[str, int]]:
    """Yield the name of each run in a folder, and when it started, in nanoseconds since 1970.

    The time of the file doesn't tell: an imported run is written long after it started.
    """
    for path in folder.glob("*/run.json"):
        own = path.parent
        if own.is_symlink() or own.name[0] == ".":
            continue
        with suppress(RunError):
            if state := RunState.load(path):
                yield own.name, state.started_ns
