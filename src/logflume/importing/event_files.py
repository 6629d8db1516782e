"""What TensorBoard event files hold: numbers, texts and hyperparameters."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from logflume.formats.tfevents import FRAME_BYTES, is_event_file_name, read_records
from logflume.importing.names import LeftOut

if TYPE_CHECKING:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary

__all__ = ["ValueReader", "list_event_files", "read_event_file"]


def list_event_files(path: Path) -> list[Path]:
    """Return the event files below a folder, or the file itself, in TensorBoard's order."""
    if not path.is_dir():
        return [path]
    return sorted(f for f in path.rglob("*") if is_event_file_name(f.name) and f.is_file())


def read_event_file(path: Path, left_out: LeftOut) -> Iterator[Event]:
    """Yield the events of a file, up to its end or to the first torn record."""
    from google.protobuf.message import DecodeError
    from tensorboard.compat.proto.event_pb2 import Event

    complete_bytes = 0
    for record in read_records(path):
        complete_bytes += len(record) + FRAME_BYTES
        try:
            yield Event.FromString(record)
        except DecodeError:
            left_out["records that are not events"] += 1
    if torn_bytes := path.stat().st_size - complete_bytes:
        left_out["bytes after the last complete record of an event file"] += torn_bytes


class ValueReader:
    """Reads the values in a folder's events. Only the first value of a tag names its plugin."""

    def __init__(self, left_out: LeftOut) -> None:
        self._left_out = left_out
        self._plugins: dict[str, str] = {}

    def read(self, value: Summary.Value) -> Any:
        """Return a number, a text or the data of the hparams plugin; None if it is left out."""
        kind = value.WhichOneof("value")
        if value.HasField("metadata"):
            plugin = value.metadata.plugin_data.plugin_name
            self._plugins.setdefault(value.tag, plugin)
        if self._plugins.get(value.tag) == "hparams":
            return _hparams(value)
        if kind == "simple_value":
            return value.simple_value
        if kind == "tensor":
            return self._read_tensor(value)
        if kind is not None:
            self._left_out[f"TensorBoard {_KIND_NAMES.get(kind, kind)}"] += 1
        return None

    def _read_tensor(self, value: Summary.Value) -> Any:
        from tensorboard.util.tensor_util import make_ndarray

        plugin = self._plugins.get(value.tag, "")
        items = make_ndarray(value.tensor).ravel().tolist() if plugin in _READABLE else []
        if items and all(isinstance(item, bytes) for item in items):
            return "\n".join(item.decode("utf-8", "backslashreplace") for item in items)
        if len(items) == 1 and isinstance(items[0], int | float):
            return items[0]
        self._left_out[f"TensorBoard {plugin or 'tensors'}"] += 1
        return None


_READABLE = ("", "scalars", "text")
_KIND_NAMES = {"histo": "histograms", "image": "images", "audio": "audio"}


def _hparams(value: Summary.Value) -> Any:
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    return HParamsPluginData.FromString(value.metadata.plugin_data.content)
