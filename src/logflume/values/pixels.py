"""Pixels of pictures: copied on the caller's thread, converted to a Pillow image on another one.

No library is imported for the copy: a value can only be a picture if its library is loaded. Only
the path of an image file needs Pillow.
"""

from __future__ import annotations

import io
import math
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from logflume.guard import type_name
from logflume.values.arrays import MAX_COPIED_BYTES, PendingArray, copy_tensor
from logflume.values.foreign_arrays import copy_foreign_array

__all__ = [
    "MAX_PIXELS",
    "EncodedImage",
    "copy_picture",
    "find_layout",
    "is_figure",
    "is_image_path",
    "is_pillow",
    "to_pillow",
]

MAX_PIXELS = 2**26
"""Maximum size of an image: 64 million pixels, 256 MB of raw data."""

_MAX_BYTES = 4 * MAX_COPIED_BYTES
_CHANNELS = frozenset({1, 3, 4})
_PATH = re.compile(r"media/[0-9a-f]{32}\.png")
_NOT_A_PICTURE = (
    "{name} is not a picture: give an image of Pillow, a figure of matplotlib, an array of NumPy, "
    "torch or the like, or the path of an image file"
)
_SHAPES = (
    "shape {shape} is not that of an image: (height, width), with 1, 3 or 4 channels as the first "
    "or last axis, or a batch of these"
)


class EncodedImage:
    """The content of an image file.

    Args:
        content: The content.
        suffix: The suffix of the file's name, such as `.png`.
    """

    def __init__(self, content: bytes, suffix: str) -> None:
        self.content = content
        self.suffix = suffix


def is_image_path(value: Any) -> bool:
    """Whether a value of an event is the path of an image within the run."""
    return type(value) is str and _PATH.fullmatch(value) is not None


def is_pillow(value: Any) -> bool:
    """Whether a value is a Pillow image, without importing Pillow."""
    return any(
        base.__module__ == "PIL.Image" and base.__name__ == "Image" for base in type(value).__mro__
    )


def is_figure(value: Any) -> bool:
    """Whether a value is a matplotlib figure, without importing matplotlib."""
    return any(
        base.__module__ == "matplotlib.figure" and base.__name__ == "FigureBase"
        for base in type(value).__mro__
    )


def copy_picture(value: Any) -> PendingArray:
    """Return a copy of a picture, which is read as a Pillow image, a file or an array.

    Raises:
        ValueError: It has more than `MAX_PIXELS`, or a shape that no image has.
        TypeError: It is not a picture.
        Exception: Whatever its library raises.
    """
    if is_pillow(value):
        _check_pixels(value.width, value.height)
        copy = value.copy()
        return PendingArray(lambda: copy, copy.width * copy.height * len(copy.getbands()))
    if (figure := _find_figure(value)) is not None:
        drawn = EncodedImage(_draw(figure), ".png")
        return PendingArray(lambda: drawn, len(drawn.content))
    if isinstance(value, (str, Path)):
        return copy_picture(_open(Path(value)))
    return _copy_pixels(value)


def _open(path: Path) -> Any:
    """Return an image file as an image of Pillow."""
    if not path.is_file():  # opening a pipe would block
        raise ValueError(f"there is no image file {path}")
    from PIL import Image

    with Image.open(path) as image:
        _check_pixels(image.width, image.height)
        image.load()
    return image


def _find_figure(value: Any) -> Any | None:
    """Return the figure of a figure, of axes, of a grid of seaborn, or of `pyplot` itself."""
    if is_figure(value):
        return value
    if isinstance(value, ModuleType):
        return value.gcf() if value.__name__ == "matplotlib.pyplot" else None
    figure = getattr(value, "figure", None)
    return figure if is_figure(figure) else None


def _draw(figure: Any) -> bytes:
    width, height = figure.get_size_inches() * figure.dpi
    _check_pixels(int(width), int(height))
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi="figure", pil_kwargs={"compress_level": 1})
    return file.getvalue()


def _copy_pixels(value: Any) -> PendingArray:
    shape = getattr(value, "shape", None)
    if shape is None or callable(shape) or isinstance(value, type):
        raise TypeError(_NOT_A_PICTURE.format(name=type_name(value)))
    lengths = tuple(int(length) for length in shape)
    find_layout(lengths)
    _check_pixels(math.prod(lengths) // _channels(lengths), 1)
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        if hasattr(value, "placements"):
            raise TypeError("a DTensor is not gathered: give value.full_tensor()")
        _check_bytes(value.numel() * value.element_size())
        return copy_tensor(value.to_dense() if value.layout != torch.strided else value)
    if numpy is not None and isinstance(value, numpy.ndarray):
        _check_bytes(value.nbytes)
        values = value.filled(0) if hasattr(value, "mask") else value.copy()
        return PendingArray(lambda: values, values.nbytes)
    copied = copy_foreign_array(value)
    if isinstance(copied, PendingArray):
        return copied
    if copied is None:
        raise TypeError(_NOT_A_PICTURE.format(name=type_name(value)))
    # A list is a copy; anything else may share the value's memory and is copied.
    return PendingArray(lambda: copied, 0) if isinstance(copied, list) else _copy_pixels(copied)


def _check_pixels(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        size = f"{width:,} × {height:,}" if height > 1 else f"{width:,}"
        raise ValueError(f"{size} pixels are more than {MAX_PIXELS:,}")


def _check_bytes(size_bytes: int) -> None:
    if size_bytes > _MAX_BYTES:
        raise ValueError(f"{size_bytes:,} bytes of pixels are more than {_MAX_BYTES:,}")


def find_layout(shape: Sequence[int], is_torch: bool = False) -> tuple[bool, bool]:
    """Return whether an array is a batch, and whether its channels come before its rows.

    Channels are the last axis where that has 1, 3 or 4, except in torch's own order.

    >>> find_layout((3, 64, 48)), find_layout((64, 48, 3)), find_layout((8, 1, 28, 28))
    ((False, True), (False, False), (True, True))

    Raises:
        ValueError: No image has this shape.
    """
    image = shape[1:] if len(shape) == 4 else shape
    is_first = len(image) == 3 and image[0] in _CHANNELS
    is_last = len(image) == 3 and image[-1] in _CHANNELS
    if 0 in shape or not (len(image) == 2 or is_first or is_last):
        raise ValueError(_SHAPES.format(shape=tuple(shape)))
    return len(shape) == 4, is_first and (is_torch or not is_last)


def _channels(shape: Sequence[int]) -> int:
    _, is_first = find_layout(shape)
    image = shape[-3:]
    return 1 if len(shape) == 2 else image[0] if is_first else image[-1]


def to_pillow(picture: Any) -> tuple[Any, str | None]:
    """Return an array as a Pillow image, and a note about changed values, if any.

    Integers are 0 to 255, floating-point numbers 0 to 1, booleans black or white. A batch becomes
    one image: its images side by side, in rows.

    Args:
        picture: An array or nested list, of a shape that `find_layout` accepts.

    Raises:
        ValueError: The values are not real numbers.
    """
    import numpy as np
    from PIL import Image

    is_torch = type(picture).__module__.startswith("torch")
    if is_torch:
        is_extension = picture.is_floating_point() and picture.dtype.itemsize < 4
        picture = picture.float() if is_extension else picture
    array = np.asarray(picture)
    if array.dtype.kind == "V":  # such as bfloat16
        array = array.astype(np.float32)
    is_batch, is_first = find_layout(array.shape, is_torch)
    if is_first:
        array = np.moveaxis(array, -3, -1)
    pixels, note = _as_bytes(np, array)
    if is_batch:
        pixels = _tile(np, pixels)
    if pixels.ndim == 3 and pixels.shape[-1] == 1:
        pixels = pixels[..., 0]
    return Image.fromarray(np.ascontiguousarray(pixels)), note


def _as_bytes(np: Any, array: Any) -> tuple[Any, str | None]:
    kind = array.dtype.kind
    if array.dtype == np.uint8:
        return array, None
    if kind == "b":
        return array.astype(np.uint8) * 255, None
    if kind not in "iuf":
        raise ValueError(f"values of type {array.dtype} are not pixels")
    highest = 1 if kind == "f" else 255
    with np.errstate(all="ignore"):  # its warnings may be errors in the user's program
        finite = np.nan_to_num(array, nan=0.0, posinf=highest, neginf=0.0)
        low, high = finite.min(), finite.max()
        clipped = np.clip(finite, 0, highest)
        pixels = np.rint(clipped * 255) if kind == "f" else clipped
    note = None
    if kind == "f" and not np.isfinite(array).all():
        note = "values that are not finite are drawn black (infinity: white)"
    if low < 0 or high > highest:
        note = (
            f"values from {low:g} to {high:g} are clipped to 0 and {highest} "
            f"({'floating-point numbers are 0 to 1' if kind == 'f' else 'integers are 0 to 255'})"
        )
    return pixels.astype(np.uint8), note


def _tile(np: Any, batch: Any) -> Any:
    """Return the images of a batch in a square grid; unused cells are black."""
    count, height, width = batch.shape[:3]
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    shape = (rows * columns - count, *batch.shape[1:])
    filled = np.concatenate([batch, np.zeros(shape, batch.dtype)])
    grid = filled.reshape(rows, columns, height, width, *batch.shape[3:]).swapaxes(1, 2)
    return grid.reshape(rows * height, columns * width, *batch.shape[3:])
