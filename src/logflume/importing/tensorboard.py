"""Imports the event files of torch's and tensorboardX's SummaryWriter, of TRL and of logflume.

All numbers of a step become one event per type (see `logflume.importing.names`). If a tag has
several numbers at a step, the later ones become further events. A text becomes a `message` with its
`tag`. Hyperparameters, and the arguments that transformers writes as a text, become `run_started`.
An event has the time of its first number. TensorBoard stores numbers as float32, so they are
imported with that precision.

A `SessionLog.START` (`purge_step` in torch) marks a restart: as in TensorBoard, it discards the
earlier points from its step on. Histograms, images and so on are left out.

TensorBoard shows each folder of event files as a run. Here all folders become one run. The fields
from each folder are prefixed with its name, except for the folders `train` and `eval`, which Keras
writes.
"""

from __future__ import annotations

import json
import math
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from logflume.events.trainer_names import WELL_KNOWN
from logflume.exceptions import RunError
from logflume.importing.event_files import ValueReader, list_event_files, read_event_file
from logflume.importing.names import LOCATING_NAMES, ImportedEvent, LeftOut, Reading, split_reports
from logflume.values.declared import declared_kind
from logflume.values.kinds import Kind

if TYPE_CHECKING:
    from tensorboard.compat.proto.event_pb2 import Event

__all__ = ["Point", "Points", "read_tensorboard"]


_MAX_BUFFERED = 10_000


class Point(NamedTuple):
    """One value of a curve, or a text.

    Attributes:
        folder: Index of the folder that its file is in.
        step: The training step.
        time_s: When it was written, in seconds since 1970.
        tag: Tag of the curve or text.
        value: A number or a text.
    """

    folder: int
    step: int
    time_s: float
    tag: str
    value: float | int | str


class Points:
    """Stores points on disk, in a temporary SQLite database."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("")
        self._database.execute("pragma journal_mode=off")
        self._database.execute("create table points (folder, step, time_s, tag, value)")
        self._tags: dict[str, int] = {}
        self._buffered: list[tuple[int, int, float, int, float | int | str | None]] = []

    def add(self, point: Point) -> None:
        """Add a point."""
        if point.tag not in self._tags:
            self._tags[point.tag] = len(self._tags)
        value = point.value
        # SQLite stores NaN as null.
        stored = None if isinstance(value, float) and math.isnan(value) else value
        self._buffered.append((*point[:3], self._tags[point.tag], stored))
        if len(self._buffered) >= _MAX_BUFFERED:
            self._store()

    def purge(self, folder: int, step: int) -> int:
        """Remove the points of a folder from a step on, and return their number."""
        self._store()
        cursor = self._database.execute(
            "delete from points where folder = ? and step >= ?", (folder, step)
        )
        return cursor.rowcount

    def folders(self) -> list[int]:
        """Return the indexes of the folders that have points."""
        self._store()
        return [row[0] for row in self._database.execute("select distinct folder from points")]

    def __iter__(self) -> Iterator[Point]:
        """Yield the points by step, those of one step in the order in which they were added."""
        self._store()
        tags = list(self._tags)
        rows = self._database.execute("select * from points order by step, rowid")
        for folder, step, time_s, tag, value in rows:
            yield Point(folder, step, time_s, tags[tag], math.nan if value is None else value)

    def close(self) -> None:
        """Close the database, which removes it from the disk."""
        self._database.close()

    def _store(self) -> None:
        self._database.executemany("insert into points values (?, ?, ?, ?, ?)", self._buffered)
        self._buffered.clear()


_TEXT_SUFFIX = "/text_summary"  # appended to the tag by the writers of torch and tensorboardX

_BY_SECOND, _GENERATION = "system_by_second/", "train/generation/"  # tags of our own sink

_STATUSES = {1: "finished", 2: "failed"}  # status codes of the hparams plugin: success, failure


def read_tensorboard(path: Path, reading: Reading) -> Iterator[ImportedEvent]:
    """Yield the events of an event file, or of all event files below a folder.

    Raises:
        RunError: There are no event files.
    """
    files, left_out = list_event_files(path), reading.left_out
    if not files:
        raise RunError(f"{path}: no event files (*tfevents*) in this folder")
    folders = list(dict.fromkeys(file.parent for file in files))
    with closing(Points()) as points:
        values = [ValueReader(left_out) for _ in folders]
        for file in files:
            folder = folders.index(file.parent)
            for event in read_event_file(file, left_out):
                yield from _read_event(event, folder, values[folder], points, left_out)
        yield from _join_points(points, _field_prefixes(folders, points.folders()))


def _read_event(
    event: Event, folder: int, values: ValueReader, points: Points, left_out: LeftOut
) -> Iterator[ImportedEvent]:
    """Add the points of an event to `points`; yield what describes the run as a whole."""
    kind = event.WhichOneof("what")
    if kind == "session_log" and event.session_log.status == event.session_log.START:
        left_out["points replaced by a restart"] += points.purge(folder, event.step)
    elif kind in ("graph_def", "meta_graph_def", "tagged_run_metadata"):
        left_out["TensorBoard graphs"] += 1
    for item in event.summary.value if kind == "summary" else ():
        value = values.read(item)
        tag = item.tag.removesuffix(_TEXT_SUFFIX)
        if isinstance(value, str) and tag == "args" and (arguments := _arguments(value)):
            yield ImportedEvent("run_started", arguments, None, event.wall_time)
        elif tag.startswith(_BY_SECOND):
            left_out["points of system_by_second, which system has by step"] += 1
        elif isinstance(value, int | float | str):
            points.add(Point(folder, event.step, event.wall_time, tag, value))
        elif value is not None:
            yield from _hyperparameters(value, event.wall_time)


def _arguments(text: str) -> dict[str, Any] | None:
    """Return the fields of `run_started` for a text with a trainer's arguments, if it is one."""
    try:
        arguments = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(arguments, dict):
        return None
    known = {name: arguments[name] for name in sorted(WELL_KNOWN & arguments.keys())}
    return {"arguments": arguments, "hyperparameters": known}


def _hyperparameters(data: Any, time_s: float) -> Iterator[ImportedEvent]:
    if data.HasField("session_start_info"):
        hyperparameters = {
            name: getattr(value, value.WhichOneof("kind"))
            for name, value in sorted(data.session_start_info.hparams.items())
            if value.WhichOneof("kind") in ("number_value", "string_value", "bool_value")
        }
        if hyperparameters:
            fields = {"hyperparameters": hyperparameters}
            yield ImportedEvent("run_started", fields, None, time_s)
    elif data.HasField("session_end_info") and data.session_end_info.status in _STATUSES:
        yield ImportedEvent("run_finished", {"status": _STATUSES[data.session_end_info.status]})


def _field_prefixes(folders: list[Path], used: list[int]) -> dict[int, str]:
    """Return the prefix of the field names of each folder; it is empty if there is only one."""
    top = Path(os.path.commonpath([folders[index] for index in used])) if used else Path()
    names = {index: folders[index].relative_to(top).as_posix() for index in used}
    return {index: "" if name == "." else name for index, name in names.items()}


def _join_points(points: Points, prefixes: dict[int, str]) -> Iterator[ImportedEvent]:
    report = _Report()
    for point in points:
        part = prefixes[point.folder]
        name = _field_name(point.tag)
        if part in ("train", "eval"):
            part, name = "", f"{part}/{name}"
        if isinstance(point.value, str):
            tag = f"{part}/{name}" if part else name
            fields = {"message": point.value, "tag": tag}
            yield ImportedEvent("message", fields, point.step, point.time_s)
        elif not report.add(point, part, name):
            yield from report.events()
            report = _Report()
            report.add(point, part, name)
    yield from report.events()


def _field_name(tag: str) -> str:
    """Return the tag as `<type>/<field>` where our sink has another prefix, or none."""
    if tag.startswith(_GENERATION):
        return tag.removeprefix("train/")
    name = tag.removeprefix("train/reward/")
    is_statistic = declared_kind("reward", name) in (Kind.NUMBER, Kind.INTEGER)
    is_reward = name != tag or tag.startswith("rewards/")
    return f"reward/{name}" if is_reward and is_statistic else tag


class _Report:
    """The numbers of one step, at most one per tag."""

    def __init__(self) -> None:
        self._first: Point | None = None
        self._values: dict[str, dict[str, float]] = {}

    def add(self, point: Point, part: str, name: str) -> bool:
        """Add a number; return False if it is of another step or its tag already has one."""
        values = self._values.get(part, {})
        if self._first is not None and point.step != self._first.step:
            return False
        if name in values:
            # A trainer logs its epoch with each report, of training and of evaluation.
            return name.rpartition("/")[2] in LOCATING_NAMES and values[name] == point.value
        self._first = self._first or point
        self._values.setdefault(part, {})[name] = point.value  # type: ignore[assignment]
        return True

    def events(self) -> Iterator[ImportedEvent]:
        """Yield the events that consist of these numbers."""
        if self._first is not None:
            for event, fields in split_reports(self._values).items():
                yield ImportedEvent(event, fields, self._first.step, self._first.time_s)
