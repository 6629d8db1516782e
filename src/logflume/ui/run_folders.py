"""Finds the runs within the folders that the page may show, and nothing outside of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from logflume.exceptions import RunError
from logflume.query.open_run import Run, is_run
from logflume.runs.status import read_run_status

__all__ = ["RunFolders", "UnknownRunError", "version_of"]


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

    def find(self) -> dict[str, Path]:
        """Return the folders of all runs by id.

        Of runs with the same id, the later ones have the name of their folder appended.
        """
        found: dict[str, Path] = {}
        for folder in dict.fromkeys(self._folders()):
            name = self._id_of(folder)
            if name in found:
                name = f"{name} ({folder.parent.name}/{folder.name})"
            found.setdefault(name, folder)
        return found

    def open(self, name: str) -> Run:
        """Open a run by its id.

        Raises:
            UnknownRunError: There is no such run.
        """
        # The usual case takes no look at the other runs.
        for folder, (_, known) in list(self._ids.items()):
            if known == name and is_run(folder) and self._id_of(folder) == name:
                return Run(folder)
        found = self.find()
        if name not in found:
            raise UnknownRunError(f"{name}: there is no such run any more. It may have been moved.")
        return Run(found[name])

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
            known = changed_ns, read_run_status(folder).run
            self._ids[folder] = known
        return known[1]


def version_of(folder: Path, status: str | None = None) -> str:
    """Return a text that differs whenever something was written to a run, or its status changed.

    Args:
        folder: The run's folder.
        status: The run's status, where it is known already.
    """
    status = status or read_run_status(folder).status
    sizes = []
    for path in sorted(folder.glob("*.json*")):
        try:
            stat = path.stat()
        except FileNotFoundError:
            continue  # just rotated
        sizes.append((path.name, stat.st_size, stat.st_mtime_ns))
    return f"{hash((tuple(sizes), status)):x}"
