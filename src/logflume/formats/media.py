"""Files under a run's `media/`, named by their content, so that equal images are stored once."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from logflume.runs.safe_files import make_folder, open_file
from logflume.values.pixels import EncodedImage

__all__ = ["MEDIA", "store_image"]

_PNG_MODES = frozenset({"1", "L", "LA", "I", "I;16", "RGB", "RGBA"})

_FAST = 1
"""zlib's fastest level of compression: half the size of the raw pixels, at 100 MB/s."""

MEDIA = "media"
"""Name of the folder in the folder of a run."""


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
        return _store(folder, name, lambda: image.content)
    if image.mode == "P":  # the colors are in the palette
        image = image.convert("RGBA")
    digest = hashlib.sha256(f"{image.mode} {image.size} ".encode() + image.tobytes())
    return _store(folder, f"{digest.hexdigest()[:32]}.png", lambda: _png(image))


def _store(folder: Path | None, name: str, make: Callable[[], bytes]) -> str:
    """Write a file unless it exists, and return its path, relative to the run.

    Several processes may store the same content at once: each writes a file of its own, and the
    last one gets the name.
    """
    path = f"{MEDIA}/{name}"
    if folder is None or not folder.is_dir() or (target := folder / path).is_file():
        return path
    content = make()
    make_folder(target.parent)
    temporary = target.with_name(f".{name}.{os.getpid()}")
    with open(temporary, "wb", opener=open_file) as file:
        file.write(content)
    temporary.replace(target)
    return path


def _png(image: Any) -> bytes:
    if image.mode not in _PNG_MODES:
        image = image.convert("RGB")
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=_FAST)
    return buffer.getvalue()
