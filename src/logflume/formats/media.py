"""Files under a run's `media/`, named by their content: what is logged often is stored once."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from logflume.runs.safe_files import make_folder, open_file
from logflume.values.pixels import EncodedImage

__all__ = ["MEDIA", "store", "store_image"]

_PNG_MODES = frozenset({"1", "L", "LA", "I", "I;16", "RGB", "RGBA"})

_FAST = 1
"""zlib's level of compression that costs least: half the size of the raw pixels, at 100 MB/s."""

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


def store_image(folder: Path | None, image: Any) -> str:
    """Store an image, and return its path, relative to the run.

    Its name is a hash of its pixels, or of the content of its file.

    Args:
        folder: The run's folder; without one, or where that is missing, nothing is written.
        image: A Pillow image, or an `EncodedImage`.

    Raises:
        OSError: It can't be written.
    """
    if isinstance(image, EncodedImage):
        name = hashlib.sha256(image.content).hexdigest()[:32] + image.suffix
        return _store_once(folder, name, lambda: image.content)
    if image.mode == "P":  # the colors are in the palette
        image = image.convert("RGBA")
    digest = hashlib.sha256(f"{image.mode} {image.size} ".encode() + image.tobytes())
    return _store_once(folder, f"{digest.hexdigest()[:32]}.png", lambda: _png(image))


def _store_once(folder: Path | None, name: str, make: Callable[[], bytes]) -> str:
    if folder is None or not folder.is_dir() or (folder / MEDIA / name).is_file():
        return f"{MEDIA}/{name}"
    return store(folder, name, make())


def _png(image: Any) -> bytes:
    if image.mode not in _PNG_MODES:
        image = image.convert("RGB")
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=_FAST)
    return buffer.getvalue()
