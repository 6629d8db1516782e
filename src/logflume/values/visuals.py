"""Values that a reader should see rather than read: `Image` and `Histogram`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from logflume.guard import Failure, call_guarded, describe, type_name
from logflume.values.array_summary import summarize_values
from logflume.values.arrays import PendingArray, copy_array
from logflume.values.pixels import EncodedImage, copy_picture, is_pillow, to_pillow
from logflume.values.reports import VALUE_REPORTS
from logflume.values.snapshot import snapshot

__all__ = ["IMAGE_FOLDER", "Histogram", "Image", "ImageFolder"]

_MAX_NUMBERS = 2**22
"""Maximum number of values of a histogram that is given as lists."""

_ARTICLES = {"Image": "an Image", "Histogram": "a Histogram"}
_NUMBERS = frozenset({bool, int, float, type(None)})


class ImageFolder:
    """Stores the images of this process.

    The thread that takes records from the buffer stores them, in the training process: the worker
    process gets only their paths, once the files exist.
    """

    def __init__(self) -> None:
        self._store: Callable[[Any], str] | None = None

    def start(self, store: Callable[[Any], str]) -> None:
        """Begin a run.

        Args:
            store: Stores an image of Pillow or an `EncodedImage`; returns its path within the run.
        """
        self._store = store

    def add(self, image: Any) -> str:
        """Store an image, and return its path within the run.

        Raises:
            OSError: It can't be written.
        """
        if self._store is None:
            raise OSError("no run is open")
        return self._store(image)


IMAGE_FOLDER = ImageFolder()
"""The folder of the run that this process writes."""


class Image(PendingArray):
    """A picture to log: stored once under the run's `media/`, and shown by TensorBoard.

    The constructor copies the pixels, so the picture may change afterwards. The field of the event
    is the path `media/<hash>.png`, relative to the run's folder. A mark with the reason replaces an
    image that can't be kept; the reason is reported once, and nothing is raised.

    Args:
        picture: An image of Pillow; a figure or axes of matplotlib, or `pyplot` for the current
            figure; an array of NumPy, torch or the like, of shape (height, width), or with 1, 3 or
            4 channels first or last, or a batch of these, which becomes one image. Integers are 0
            to 255, floating-point numbers 0 to 1. Or the path of an image file, which the
            constructor reads. At most 64 million pixels.
        caption: A caption. With one, the fields are `<name>/image` and `<name>/caption`.

    Example:
        >>> log.info("samples", attention=logflume.Image(weights))
    """

    __slots__ = ()

    def __init__(self, picture: Any, caption: str | None = None) -> None:
        copied = call_guarded(copy_picture, picture)
        size_bytes = 0 if isinstance(copied, Failure) else copied.memory_bytes
        text = snapshot(caption)

        def read() -> Any:
            path = _kept("Image", _store, copied)
            return path if text is None else {"image": path, "caption": text}

        super().__init__(read, size_bytes)


class Histogram(PendingArray):
    """Numbers to log as their distribution, which TensorBoard draws.

    The constructor copies the numbers. The fields of the event are `<name>/n`, `/nonfinite` (how
    many are NaN or infinite), and for the finite numbers `/mean`, `/std`, `/min`, `/max` and
    `/histogram`: the counts in 64 buckets of equal width from `min` to `max`. A mark with the
    reason replaces values that have no histogram; the reason is reported once, and nothing is
    raised.

    Args:
        values: An array of NumPy, torch or the like, of any shape, or numbers in lists.

    Example:
        >>> log.info("gradients", embedding=logflume.Histogram(weight.grad))
    """

    __slots__ = ()

    def __init__(self, values: Any) -> None:
        copied = call_guarded(_copy_numbers, values)
        size_bytes = copied.memory_bytes if isinstance(copied, PendingArray) else 0
        if isinstance(copied, list):
            size_bytes = 8 * len(copied)
        super().__init__(lambda: _kept("Histogram", _summarize, copied), size_bytes)


def _kept(name: str, read: Callable[[Any], Any], copied: Any) -> Any:
    """Return the recorded form of a copy: the result of `read`, or a mark."""
    result = copied if isinstance(copied, Failure) else call_guarded(read, copied)
    if not isinstance(result, Failure):
        return result
    error = result.error
    reason = str(error) if type(error) in (TypeError, ValueError) else describe(error)
    VALUE_REPORTS.once(f"{name} {type_name(error)}", f"{_ARTICLES[name]} is not kept: {reason}")
    return f"<{name}: {reason}>"


def _store(copied: PendingArray) -> str:
    picture = copied.read()
    if not isinstance(picture, EncodedImage) and not is_pillow(picture):
        picture, note = to_pillow(picture)
        if note is not None:
            VALUE_REPORTS.once("pixels", f"an Image is changed: {note}")
    return IMAGE_FOLDER.add(picture)


def _copy_numbers(values: Any) -> Any:
    array = copy_array(values, 0)
    return snapshot(values, _MAX_NUMBERS) if array is None else array


def _summarize(copied: Any) -> dict[str, Any]:
    values = copied.read() if isinstance(copied, PendingArray) else copied
    if not isinstance(values, dict):
        numbers = list(_numbers(values))
        values = summarize_values(numbers, (len(numbers),), "float64")
    if "histogram" not in values:
        raise TypeError(f"values of type {values.get('dtype', 'dict')} have no histogram")
    if values["min"] is None:
        reason = f"a Histogram is empty: none of its {values['n']:,} values is a finite number"
        VALUE_REPORTS.once("empty histogram", reason)
    return {name: value for name, value in values.items() if name not in ("shape", "dtype")}


def _numbers(values: Any) -> Iterator[float]:
    """Yield the numbers in nested lists; None is NaN."""
    if isinstance(values, PendingArray):
        values = values.read()
    if isinstance(values, list):
        for value in values:
            yield from _numbers(value)
    elif type(values) in _NUMBERS:
        yield float("nan") if values is None else values
    else:
        text = f"{values!r:.60}" if isinstance(values, str) else type_name(values)
        raise TypeError(f"{text} is not a number")
