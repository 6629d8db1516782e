"""Finds the runs in the folders that the page may show, and nothing outside them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path

from logflume.exceptions import RunError
from logflume.guard import Failure, call_guarded
from logflume.query.open_run import Run, is_run
from logflume.runs.status import RunStatus, read_run_status

__all__ = ["RunFolders", "UnknownRunError", "version_of"]

_MAX_FILES = 20_000
"""Files of a run that are checked for changes: more than the largest run has."""


class UnknownRunError(RunError):
    """No run has this id."""


class RunFolders:
    """The runs in some folders, by their ids. Runs that start later are found as well.

    Args:
        folders: Runs, and folders that contain runs.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self._roots = [folder.resolve() for folder in folders]
        self._ids: dict[Path, tuple[int, str]] = {}
        self._damages: dict[Path, tuple[str, str]] = {}
        self._pinned: dict[Path, tuple[str, Run]] = {}

    def find(self) -> dict[str, Path]:
        """Return the folders of all runs by id.

        If runs have the same id, the name of the folder is appended to that of the later ones.
        """
        found: dict[str, Path] = {}
        for folder in dict.fromkeys(self._folders()):
            name = self._id_of(folder)
            if name in found:
                name = f"{name} ({folder.parent.name}/{folder.name})"
            found.setdefault(name, folder)
        return found

    def open(self, name: str) -> Run:
        """Open a run by its id. If it was found to be damaged, queries return what is left of it.

        Raises:
            UnknownRunError: There is no such run.
        """
        folder = self._folder_of(name)
        return Run(folder) if self._damage_of(folder) is None else Run(folder).salvaged()

    @contextmanager
    def pinned(self, name: str) -> Iterator[Run]:
        """Open a run for several queries of one state; see `Run.pinned`.

        The next request shares what was looked up, unless something was written to the run since,
        or another request is using it. To save memory, only the latest run is kept.

        Raises:
            UnknownRunError: There is no such run.
        """
        folder = self._folder_of(name)
        version = version_of(folder)
        known, run = self._pinned.pop(folder, (None, None))
        if run is None or known != version:
            run = self.open(name).pinned()
        yield run
        self._pinned = {folder: (version, run)}

    def note_damage(self, name: str, message: str) -> bool:
        """Note that a run is damaged; return whether it is.

        Args:
            name: The run's id.
            message: What is damaged, with its path. If the path is of another run, it is ignored.
        """
        folder = self._folder_of(name)
        if str(folder) not in message:
            return False
        self._pinned.pop(folder, None)
        if self._damage_of(folder) is None:
            self._damages[folder] = version_of(folder), message
        return True

    def find_damage(self, name: str) -> str | None:
        """Return what is damaged in a run; None if nothing is known to be."""
        return self._damage_of(self._folder_of(name))

    def _damage_of(self, folder: Path) -> str | None:
        # The run may have been repaired since, or only have been replaced while it was read.
        known = self._damages.get(folder)
        return known[1] if known is not None and known[0] == version_of(folder) else None

    def _folder_of(self, name: str) -> Path:
        # Usually the other runs need not be looked at.
        for folder, (_, known) in list(self._ids.items()):
            if known == name and is_run(folder) and self._id_of(folder) == name:
                return folder
        found = self.find()
        if name not in found:
            if any(known == name for _, known in self._ids.values()):
                raise UnknownRunError(f"{name}: this run no longer exists; it may have been moved")
            raise UnknownRunError(f"{name}: there is no run with this id")
        return found[name]

    def _folders(self) -> Iterator[Path]:
        for root in self._roots:
            if is_run(root):
                yield root
            elif root.is_dir():
                inside = (path.resolve() for path in sorted(root.iterdir()))
                # A link such as `latest` is the run it points to, but none leads outside.
                yield from (path for path in inside if root in path.parents and is_run(path))

    def _id_of(self, folder: Path) -> str:
        try:
            changed_ns = (folder / "run.json").stat().st_mtime_ns
        except OSError:
            changed_ns = 0
        known = self._ids.get(folder)
        if known is None or known[0] != changed_ns:
            # Guarded: one damaged run must not hide the others.
            status = call_guarded(read_run_status, folder)
            name = folder.name if isinstance(status, Failure) else status.run
            # The name of a folder may have bytes that are no text; a URL can't.
            known = changed_ns, name.encode(errors="replace").decode()
            self._ids[folder] = known
        return known[1]


def version_of(folder: Path, status: RunStatus | None = None) -> str:
    """Return a text that changes with every write to a run, and with its status.

    Args:
        folder: The run's folder.
        status: The run's status, if it is already known.
    """
    if status is None:
        read = call_guarded(read_run_status, folder)
        status = RunStatus(folder.name, "damaged") if isinstance(read, Failure) else read
    ended = (status.status, *status.ranks.items())
    sizes = []
    with os.scandir(folder) as entries:
        for entry in islice((one for one in entries if ".json" in one.name), _MAX_FILES):
            with suppress(FileNotFoundError):  # just rotated
                stat = entry.stat(follow_symlinks=False)
                sizes.append((entry.name, stat.st_size, stat.st_mtime_ns))
    changed_ns = folder.stat().st_mtime_ns
    return f"{hash((tuple(sorted(sizes)), changed_ns, ended)):x}"
