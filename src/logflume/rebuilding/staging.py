"""Building a file or folder beside the one that readers use, and taking its place."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from logflume.rebuilding.exchange import exchange

__all__ = ["SUFFIX", "clean_up", "staged"]

SUFFIX = ".replay"
_OLD = "old"


@contextmanager
def staged(path: Path) -> Iterator[Path]:
    """Yield where to build what takes the place of `path` at the end of the block.

    It is in a hidden folder beside. The old one is removed when the new one is in its place, which
    happens at once; if the block raises, all stays as it was. A kill leaves the old or the new one,
    and a hidden folder, which the next call or `clean_up` removes.

    Raises:
        OSError: It can't be done; the old one is in its place.
    """
    workplace = clean_up(path)
    workplace.mkdir(parents=True)
    try:
        yield workplace / path.name
        _put_in_place(workplace / path.name, path, workplace / _OLD)
    finally:
        clean_up(path)


def clean_up(path: Path) -> Path:
    """Remove what a kill has left beside `path`, and return the hidden folder's name."""
    workplace = path.with_name(f".{path.name}{SUFFIX}")
    old = workplace / _OLD
    if old.exists() and not path.exists():
        old.rename(path)  # the kill came between two renames
    shutil.rmtree(workplace, ignore_errors=True)
    return workplace


def _put_in_place(new: Path, path: Path, old: Path) -> None:
    if not new.exists():  # nothing belongs in it
        new.mkdir() if path.is_dir() else new.touch()
    if not path.is_dir():
        new.replace(path)
    elif not exchange(path, new):
        path.rename(old)
        new.rename(path)
