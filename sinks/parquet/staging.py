"""Where parts are made before readers may see them, and where what is done with goes."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

__all__ = ["StagingFolder"]

_SETTLE_S = 0.02
"""Many times what a reader takes between opening a folder and listing it."""


class _Retired(NamedTuple):
    content: Path
    folder: Path
    names: Collection[str]
    at_s: float


class StagingFolder:
    """A hidden folder beside the one that readers use.

    It is beside, not inside: DuckDB and Polars look into hidden folders too when they resolve
    `**`. Files being written don't end in `.parquet` there. Only if the parent is another
    file system, or not ours to write in, the hidden folder is inside.

    Args:
        path: The sink's folder, resolved; it exists. What a crash left in its workplace is removed.
    """

    def __init__(self, path: Path) -> None:
        parent = path.parent
        usable = parent.stat().st_dev == path.stat().st_dev and os.access(parent, os.W_OK)
        beside = parent if usable else path
        self._folder = beside / f".{path.name}.tmp"
        self._damaged = beside / f".{path.name}.damaged"
        self._retired: list[_Retired] = []
        shutil.rmtree(self._folder, ignore_errors=True)

    def new_folder(self) -> Path:
        """Return a new, empty folder."""
        self._folder.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        # It may become one that readers use; mkdtemp makes it private.
        folder.chmod(self._folder.stat().st_mode)
        return folder

    def retire(self, content: Path, folder: Path, names: Collection[str]) -> None:
        """Have a folder removed by the next `sweep`.

        Args:
            content: What `folder` was until now.
            folder: What readers use.
            names: The files that may go; any other is moved back, for it isn't ours.
        """
        self._retired.append(_Retired(content, folder, names, time.monotonic()))

    def sweep(self) -> None:
        """Remove what was retired.

        A reader that has opened a folder but not listed it yet still needs its names; so
        this waits for a moment.

        Raises:
            OSError: A strange file could not be moved back. The next sweep tries again.
        """
        while self._retired:
            content, folder, names, at_s = self._retired[0]
            time.sleep(max(0.0, at_s + _SETTLE_S - time.monotonic()))
            # The user may have removed either of them.
            if content.is_dir() and folder.is_dir():
                for path in content.iterdir():
                    if path.name not in names and not (folder / path.name).exists():
                        path.rename(folder / path.name)
            shutil.rmtree(content, ignore_errors=True)
            del self._retired[0]

    def set_aside(self, path: Path) -> Path:
        """Move a damaged part out of the readers' sight, and return where it is now."""
        folder = self._damaged / path.parent.name
        folder.mkdir(parents=True, exist_ok=True)
        return path.replace(folder / f"{path.name}.damaged")

    def close(self) -> None:
        """Sweep, and remove the workplace."""
        self.sweep()
        shutil.rmtree(self._folder, ignore_errors=True)
