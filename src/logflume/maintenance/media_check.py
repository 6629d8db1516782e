"""Comparison of the files under `media/` with the paths in the journals."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from logflume.formats.media import MEDIA
from logflume.maintenance.verify import FIX, Issue

__all__ = ["NamedMedia", "check_media", "find_media_names", "find_stale_media"]

_QUOTED = re.compile(rb'"media/([0-9a-f]{32}\.[a-z]{3,4})\\*"')
"""A path as the value of a field, an item of a list, or a value in the JSON text of messages."""

_STORED = re.compile(r"[0-9a-f]{32}\.[a-z]{3,4}|\.[0-9a-f]{32}\.[a-z]{3,4}\.\d+")
"""A file that a run has stored, or that a killed process was storing."""

_MAX_NAMES = 1_000_000
_RESTORE = "can't be recovered without a backup"


class NamedMedia(NamedTuple):
    """The media files that a writer's journal names.

    Attributes:
        names: Their names.
        is_whole: Whether the journal is known to name all files that the writer has stored: it is
            not being written, has all events, and has lost none.
    """

    names: set[str]
    is_whole: bool


def find_media_names(line: bytes, names: set[str]) -> None:
    """Add the names of the media files in a line of a journal."""
    if b'"media/' in line and len(names) < _MAX_NAMES:
        names.update(name.decode() for name in _QUOTED.findall(line))


def check_media(folder: Path, named: Iterable[NamedMedia]) -> list[Issue]:
    """Return what is wrong with the media files of a run.

    Args:
        folder: The run's folder.
        named: What the journal of each writer names.
    """
    found = list(named)
    names = {name for one in found for name in one.names}
    missing = sorted(name for name in names if not (folder / MEDIA / name).is_file())
    issues = []
    if missing:
        what = f"files that events name are missing, such as {missing[0]}"
        issues.append(Issue(MEDIA, what, len(missing), _RESTORE))
    if stale := find_stale_media(folder, found):
        what = f"stale files, which no event names, such as {stale[0].name}"
        issues.append(Issue(MEDIA, what, len(stale), FIX))
    return issues


def find_stale_media(folder: Path, named: Iterable[NamedMedia]) -> list[Path]:
    """Return the stored files that no journal names; none unless all journals are whole.

    Foreign files are left out, and so is everything if the folder is a link.
    """
    found = list(named)
    names = {name for one in found for name in one.names}
    media = folder / MEDIA
    is_known = all(one.is_whole for one in found) and len(names) < _MAX_NAMES
    if not is_known or media.is_symlink() or not media.is_dir():
        return []
    with os.scandir(media) as entries:
        return sorted(
            Path(entry.path)
            for entry in entries
            if entry.name not in names
            and _STORED.fullmatch(entry.name)
            and entry.is_file(follow_symlinks=False)
        )
