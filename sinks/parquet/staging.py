"""The hidden folders for parts that readers don't see yet, no longer see, or can't read."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from logflume.formats.atomic import can_exchange
from logflume.runs.safe_files import make_folder

__all__ = ["StagingFolder"]

_GRACE_PERIOD_S = 0.02
"""Many times longer than a reader needs between opening a folder and listing it."""


class _Retired(NamedTuple):
    content: Path
    folder: Path
    names: Collection[str]
    retired_s: float


class StagingFolder:
    """A hidden folder next to the one that readers use.

    It is not inside that folder, because DuckDB and Polars also search hidden folders when they
    resolve `**`. Files being written don't end in `.parquet` there. The hidden folder is only
    placed inside if the parent folder is on another file system or not writable.

    Args:
        path: The sink's folder, resolved; it must exist. What a crash has left in the staging
            folder is removed.
    """

    def __init__(self, path: Path) -> None:
        parent = path.parent
        usable = parent.stat().st_dev == path.stat().st_dev and os.access(parent, os.W_OK)
        location = parent if usable else path
        self._folder = location / f".{path.name}.tmp"
        self._damaged = location / f".{path.name}.damaged"
        self._retired: list[_Retired] = []
        shutil.rmtree(self._folder, ignore_errors=True)

    def new_folder(self) -> Path:
        """Return a new, empty folder."""
        make_folder(self._folder)
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        # Readers may get this folder, but mkdtemp makes it private.
        folder.chmod(self._folder.stat().st_mode)
        return folder

    def can_exchange(self) -> bool:
        """Whether a new folder can replace the one that readers use in a single step.

        Raises:
            OSError: No folder can be created.
        """
        make_folder(self._folder)
        return can_exchange(self._folder)

    def retire(self, content: Path, folder: Path, names: Collection[str]) -> None:
        """Schedule a folder for removal by the next `sweep`.

        Args:
            content: The former content of `folder`.
            folder: The folder that readers use.
            names: The files to remove; any other is a foreign file and is moved back.
        """
        self._retired.append(_Retired(content, folder, names, time.monotonic()))

    def sweep(self) -> None:
        """Remove the retired folders.

        This waits for a moment, because a reader that has opened a folder but not listed it yet
        still needs its names.

        Raises:
            OSError: A foreign file could not be moved back; the next sweep tries again.
        """
        while self._retired:
            content, folder, names, retired_s = self._retired[0]
            time.sleep(max(0.0, retired_s + _GRACE_PERIOD_S - time.monotonic()))
            # The user may have removed either one.
            if content.is_dir() and folder.is_dir():
                for path in content.iterdir():
                    if path.name not in names and not (folder / path.name).exists():
                        path.rename(folder / path.name)
            shutil.rmtree(content, ignore_errors=True)
            del self._retired[0]

    def set_aside(self, path: Path) -> Path:
        """Move a damaged part to where readers don't see it, and return its new path."""
        folder = self._damaged / path.parent.name
        make_folder(folder)
        return path.replace(folder / f"{path.name}.damaged")

    def close(self) -> None:
        """Sweep, then remove the staging folder."""
        self.sweep()
        shutil.rmtree(self._folder, ignore_errors=True)
