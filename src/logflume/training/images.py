"""Images in prompts and in the results of tools: stored once, and referred to by their path."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from logflume.formats.media import store_image
from logflume.guard import Failure, call_guarded, describe
from logflume.runtime.lifecycle import current_run
from logflume.values.pixels import MAX_PIXELS, EncodedImage, is_pillow
from logflume.values.plain import to_plain
from logflume.values.snapshot import ATOMIC_TYPES, snapshot

__all__ = ["ImageStore", "copy_messages"]

_SUFFIXES = {
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/webp": ".webp",
    "image/gif": ".gif",
    "image/bmp": ".bmp",
}

_TEXTS = frozenset({str})

_MAX_CONTAINERS = 250_000
"""Maximum number of lists and mappings in a conversation: copies of a few lists that contain each
other repeatedly would fill the memory."""


def copy_messages(value: Any) -> Any:
    """Return a copy of a conversation that no later change reaches; images are shared, not copied.

    Trainers decode images for each batch and don't change them, and images take most of a batch's
    memory.
    """
    if type(value) in ATOMIC_TYPES:
        return value
    if type(value) is list and len(value) == 1 and type(value[0]) is dict:
        (message,) = value
        if ATOMIC_TYPES.issuperset(map(type, message.values())):  # as most are
            return [message.copy()]
    copied = call_guarded(_Copier().copy, value)
    return snapshot(value) if isinstance(copied, Failure) else copied


class _Copier:
    """Copies a conversation in full, without the limits of a snapshot."""

    __slots__ = ("_remaining",)

    def __init__(self) -> None:
        self._remaining = _MAX_CONTAINERS

    def copy(self, value: Any) -> Any:
        """Return a copy.

        Raises:
            OverflowError: It has too many containers.
            RecursionError: It is nested too deeply, or contains itself.
        """
        kind = type(value)
        if kind in ATOMIC_TYPES:
            return value
        if kind not in (dict, list, tuple):
            return value if is_pillow(value) else snapshot(value)
        self._remaining -= 1
        if self._remaining < 0:
            raise OverflowError(f"more than {_MAX_CONTAINERS:,} lists and mappings")
        if kind is dict:
            if ATOMIC_TYPES.issuperset(map(type, value.values())):  # as most messages
                return value.copy()
            return {key: self.copy(item) for key, item in value.items()}
        if ATOMIC_TYPES.issuperset(map(type, value)):
            return list(value)
        return [self.copy(item) for item in value]


class ImageStore:
    """Stores the images of one batch, each content once.

    Attributes:
        problems: Why images could not be stored.
    """

    def __init__(self) -> None:
        self.problems: list[str] = []
        self._paths: dict[int, str] = {}
        self._kept: list[Any] = []

    def plain(self, value: Any) -> Any:
        """Return a copied conversation as plain values, each image replaced by its path."""
        kind = type(value)
        if kind is str:
            return value
        if kind is list:
            return [self.plain(item) for item in value]
        if kind is dict:
            if part := value.get("type"):
                value = _with_content(value, part)
            elif _is_plain(value):
                return value
            return _with_text_keys({key: self.plain(item) for key, item in value.items()})
        if kind is EncodedImage or is_pillow(value):
            return self.path_of(value)
        return to_plain(value)

    def path_of(self, image: Any) -> str:
        """Store an image, and return its path in the run's folder."""
        if id(image) not in self._paths:
            path = call_guarded(_store, image)
            if isinstance(path, Failure):
                self.problems.append(f"an image could not be stored: {describe(path.error)}")
                path = f"<image: {describe(path.error)}>"
            self._paths[id(image)] = path
            self._kept.append(image)  # so that its id isn't reused
        return self._paths[id(image)]


def _is_plain(message: dict[Any, Any]) -> bool:
    """Whether a message has only texts, as most have."""
    return _TEXTS.issuperset(map(type, message)) and _TEXTS.issuperset(map(type, message.values()))


def _with_text_keys(value: dict[Any, Any]) -> Any:
    """Return a mapping with text keys, as JSON has them."""
    return value if _TEXTS.issuperset(map(type, value)) else to_plain(value)


def _with_content(part: dict[str, Any], kind: Any) -> dict[str, Any]:
    """Return a part of a content with the file that it contains, if it contains one."""
    if kind not in ("image", "image_url"):
        return part
    return {key: _read_encoded(item) for key, item in part.items()}


def _read_encoded(value: Any) -> Any:
    if isinstance(value, Mapping):
        content = value.get("bytes")
        if isinstance(content, bytes):
            return EncodedImage(content, _suffix_of(content))
        return {key: _read_encoded(item) for key, item in value.items()}
    if isinstance(value, bytes):
        return EncodedImage(value, _suffix_of(value))
    if isinstance(value, str) and value.startswith("data:image/"):
        header, _, content = value.partition(",")
        kind = header.removeprefix("data:").partition(";")[0]
        try:
            return EncodedImage(
                base64.b64decode(content, validate=True), _SUFFIXES.get(kind, ".bin")
            )
        except (binascii.Error, ValueError):
            return value
    return value


def _suffix_of(content: bytes) -> str:
    starts = {b"\x89PNG": ".png", b"\xff\xd8": ".jpg", b"GIF8": ".gif", b"BM": ".bmp"}
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return ".webp"
    return next((s for start, s in starts.items() if content.startswith(start)), ".bin")


def _store(image: Any) -> str:
    if not isinstance(image, EncodedImage) and image.width * image.height > MAX_PIXELS:
        raise ValueError(f"{image.width} × {image.height} pixels are more than {MAX_PIXELS:,}")
    run = current_run()
    return store_image(None if run is None else run.folder, image)
