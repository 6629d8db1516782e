"""What TensorBoard shows of an event besides its numbers: images, histograms and tables.

They are recognized by their form: an image is the path of a PNG under `media/`; a histogram is what
`logflume.Histogram` and large arrays become; a table is a mapping of lists of one length, as a data
frame becomes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

from logflume.events.catalogue import CATALOGUE
from logflume.events.reserved import RESERVED_NAMES
from logflume.guard import Failure, call_guarded
from logflume.protocols import Event
from logflume.runs.safe_files import read_file
from logflume.values.pixels import is_image_path

from .markdown import table_markdown
from .summaries import histogram_of_counts, image, text
from .tags import tag_of

__all__ = ["Visual", "find_visuals"]

_MAX_BYTES = 2**24
_SHAPES = 256
_OF_SUMMARIES = ("histogram", "shape")


class Visual(NamedTuple):
    """An image, histogram or table.

    Attributes:
        tag: Its tag.
        is_image: Whether it is an image: a step may have several of one field.
        encode: Returns it as a serialized `Summary`, given the tag; empty if it can't be shown.
    """

    tag: str
    is_image: bool
    encode: Callable[[str], bytes]


def find_visuals(event: Event, folder: Path) -> Iterator[Visual]:
    """Yield the visuals of an event.

    They don't depend on the files: an image that is missing or damaged is encoded as nothing.

    Args:
        event: A finished event.
        folder: The run's folder.
    """
    names = _candidates(tuple(event), tuple(map(type, event.values())))
    if not names:
        return
    lists = {name: event[name] for name in names if type(event[name]) is list and event[name]}
    texts = {name: [event[name]] for name in names if is_image_path(event[name])}
    event_type, mode = event["event"], event.get("mode")
    for name, values in [*texts.items(), *lists.items()]:
        if type(values[0]) is str and all(map(is_image_path, values)):
            lists.pop(name, None)
            if tag := tag_of(event_type, mode, name):
                for path in values:
                    yield Visual(tag, True, partial(_encode_image, folder / path))
    for name in lists:
        base, _, last = name.rpartition("/")
        tag = tag_of(event_type, mode, base) if last == "histogram" else None
        if tag and type(event.get(f"{base}/min")) is float:
            yield Visual(tag, False, partial(_encode_histogram, event, base))
    if event_type not in CATALOGUE or event_type == "training":
        for base, columns in _tables(event, lists):
            if tag := tag_of(event_type, mode, base):
                yield Visual(tag, False, partial(_encode_table, columns))


@lru_cache(_SHAPES)
def _candidates(names: tuple[str, ...], types: tuple[type, ...]) -> list[str]:
    """Return the fields that are lists or texts, which most events don't have."""
    return [
        name
        for name, kind in zip(names, types, strict=True)
        if kind in (list, str) and name not in RESERVED_NAMES
    ]


def _encode_image(path: Path, tag: str) -> bytes:
    content = call_guarded(read_file, path, _MAX_BYTES)
    return b"" if isinstance(content, Failure) else image(tag, content)


def _encode_histogram(event: Event, base: str, tag: str) -> bytes:
    names = ("min", "max", "mean", "std")
    low, high, mean, std = (event.get(f"{base}/{name}") for name in names)
    return histogram_of_counts(tag, low, high, mean, std, event[f"{base}/histogram"])


def _encode_table(columns: Mapping[str, Sequence[Any]], tag: str) -> bytes:
    return text(tag, "text", table_markdown(columns))


def _tables(
    event: Event, lists: Mapping[str, list[Any]]
) -> Iterator[tuple[str, dict[str, list[Any]]]]:
    """Yield the names of tables with their columns."""
    tables: defaultdict[str, dict[str, list[Any]]] = defaultdict(dict)
    for name, values in lists.items():
        base, _, column = name.rpartition("/")
        is_summary = column in _OF_SUMMARIES and f"{base}/n" in event
        if base and not is_summary:
            tables[base][column] = values
    for base, columns in tables.items():
        if len(set(map(len, columns.values()))) == 1:
            yield base, columns
