"""Files under a run's `media/`, named by their content: what is logged often is stored once."""

from __future__ import annotations

import os
from pathlib import Path

from logflume.runs.safe_files import make_folder, open_file

__all__ = ["MEDIA", "store"]

MEDIA = "media"
"""Name of the folder in the folder of a run."""


def store(folder: Path, name: str, content: bytes) -> str:
    """Write a file below `media/` unless it exists, and return its path, relative to the run.

    Several processes may store the same content at once: each writes a file of its own, and the
    last one gets the name.

    Args:
        folder: The run's folder.
        name: The name of the file, which follows from what it shows: `5f3a….png`.
        content: The content.

    Raises:
        OSError: It can't be written.
    """
    target = folder / MEDIA / name
    if not target.is_file():
        make_folder(target.parent)
        temporary = target.with_name(f".{name}.{os.getpid()}")
        with open(temporary, "wb", opener=open_file) as file:
            file.write(content)
        temporary.replace(target)
    return f"{MEDIA}/{name}"
