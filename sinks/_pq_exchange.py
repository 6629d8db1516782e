"""Giving a folder new content in one step that no reader can see half done."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from logflume.rebuilding.exchange import exchange

__all__ = ["replace_folder"]


def replace_folder(folder: Path, staged: Path, old: Collection[str]) -> None:
    """Give `folder` the files of `staged`, which gets those that `folder` had.

    Where folders can't be exchanged, the files are replaced one by one: those of names that are
    there already in falling order, then new ones, and at last those that `staged` lacks are
    removed. DuckDB, pandas and pyarrow take the columns from the first file by name, and so
    read on while old and new are mixed.

    Args:
        folder: The folder that readers use.
        staged: A folder on the same file system.
        old: Names of the files that are to go from `folder`, or change.

    Raises:
        OSError: It failed. If folders can't be exchanged here, `folder` may be left mixed.
    """
    if exchange(folder, staged):
        return
    new = sorted((path.name for path in staged.iterdir()), reverse=True)
    for name in sorted(new, key=lambda name: name not in old):
        (staged / name).replace(folder / name)
    for name in set(old).difference(new):
        (folder / name).unlink()
