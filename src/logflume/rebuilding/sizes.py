"""How large files and folders are."""

from __future__ import annotations

from pathlib import Path

__all__ = ["size_bytes"]


def size_bytes(path: Path) -> int:
    """Return the size of a file, or of all files of a folder."""
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return path.stat().st_size
