"""TensorBoard's event files: of torch's and tensorboardX's SummaryWriter, of TRL, of our own sink.

All numbers of a step become one event of each type (`logflume.importing.names`); where a tag has
several at a step, the later ones are further events. A text becomes a `message` with its `tag`.
Hyperparameters, and the arguments that transformers writes as a text, become `run_started`. The
time of an event is that of its first number. TensorBoard keeps numbers as float32: they come back
as those.

After a restart that says so (`SessionLog.START`, torch's `purge_step`) the points from its step on
are those of the restart, as TensorBoard shows them. Histograms, images and so on are left out.

Several folders of event files are shown by TensorBoard as so many runs. Here they are one: the
fields of each have its name in front, but for `train` and `eval`, which Keras writes.
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

from logflume.exceptions import RunError
from logflume.importing.event_files import Values, find_event_files, read_events
from logflume.importing.names import BESIDE, ImportedEvent, LeftOut, sort_reports
from logflume.training.trainer_arguments import WELL_KNOWN
from logflume.values.kinds import Kind, declared_kind

if TYPE_CHECKING:
    from tensorboard.compat.proto.event_pb2 import Event

__all__ = ["Point", "Points", "read_tensorboard"]


_WAITING = 10_000


class Point(NamedTuple):
    """One value of a curve.

    Attributes:
        folder: Number of the folder that its file is in.
        step: The step.
        time_s: When it was written, in seconds since 1970.
        tag: Name of the curve.
        value: A number, or a text.
    """

    folder: int
    step: int
    time_s: float
    tag: str
    value: float | int | str


class Points:
    """Holds points on disk, in a file that nobody sees and the system removes."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("")
        self._database.execute("pragma journal_mode=off")
        self._database.execute("create table points (folder, step, time_s, tag, value)")
        self._tags: dict[str, int] = {}
        self._waiting: list[tuple[int, int, float, int, float | int | str | None]] = []

    def add(self, point: Point) -> None:
        """Add a point."""
        if point.tag not in self._tags:
            self._tags[point.tag] = len(self._tags)
        value = point.value
        # SQLite has no NaN: it makes it null.
        kept = None if isinstance(value, float) and math.isnan(value) else value
        self._waiting.append((*point[:3], self._tags[point.tag], kept))
        if len(self._waiting) >= _WAITING:
            self._store()

    def purge(self, folder: int, step: int) -> int:
        """Remove the points of a folder from a step on; return how many there were."""
        self._store()
        gone = self._database.execute(
            "delete from points where folder = ? and step >= ?", (folder, step)
        )
        return gone.rowcount

    def folders(self) -> list[int]:
        """Return the numbers of the folders that have points."""
        self._store()
        return [row[0] for row in self._database.execute("select distinct folder from points")]

    def __iter__(self) -> Iterator[Point]:
        """Yield the points by step; those of a step in the order in which they were added."""
        self._store()
        tags = list(self._tags)
        found = self._database.execute("select * from points order by step, rowid")
        for folder, step, time_s, tag, value in found:
            yield Point(folder, step, time_s, tags[tag], math.nan if value is None else value)

    def close(self) -> None:
        """Let go of the disk."""
        self._database.close()

    def _store(self) -> None:
        self._database.executemany("insert into points values (?, ?, ?, ?, ?)", self._waiting)
        self._waiting.clear()


_TEXT_SUFFIX = "/text_summary"  # torch's and tensorboardX's writers add it to the tag

_STATUSES = {1: "finished", 2: "failed"}  # of the hparams plugin: success, failure


def read_tensorboard(path: Path, left_out: LeftOut) -> Iterator[ImportedEvent]:
    """Yield what is in an event file, or in all those of a folder and the folders below.

    Raises:
        RunError: There is none.
    """
    files = find_event_files(path)
    if not files:
        raise RunError(f"{path}: there are no event files here (*tfevents*)")
    folders = list(dict.fromkeys(file.parent for file in files))
    with closing(Points()) as points:
        values = [Values(left_out) for _ in folders]
        for file in files:
            folder = folders.index(file.parent)
            for event in read_events(file, left_out):
                yield from _take(event, folder, values[folder], points, left_out)
        yield from _put_together(points, _names(folders, points.folders()))


def _take(
    event: Event, folder: int, values: Values, points: Points, left_out: LeftOut
) -> Iterator[ImportedEvent]:
    """Put the points of an event to the others; yield what it tells of the whole run."""
    kind = event.WhichOneof("what")
    if kind == "session_log" and event.session_log.status == event.session_log.START:
        left_out["points that a restart has replaced"] += points.purge(folder, event.step)
    elif kind in ("graph_def", "meta_graph_def", "tagged_run_metadata"):
        left_out["TensorBoard's graphs"] += 1
    for item in event.summary.value if kind == "summary" else ():
        value = values.read(item)
        tag = item.tag.removesuffix(_TEXT_SUFFIX)
        if isinstance(value, str) and tag == "args" and (arguments := _arguments(value)):
            yield ImportedEvent("run_started", arguments, None, event.wall_time)
        elif isinstance(value, int | float | str):
            points.add(Point(folder, event.step, event.wall_time, tag, value))
        elif value is not None:
            yield from _hyperparameters(value, event.wall_time)


def _arguments(text: str) -> dict[str, Any] | None:
    """Return what the callback of a trainer logs, from the text that transformers writes."""
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
        found = {
            name: getattr(value, value.WhichOneof("kind"))
            for name, value in sorted(data.session_start_info.hparams.items())
            if value.WhichOneof("kind") in ("number_value", "string_value", "bool_value")
        }
        if found:
            yield ImportedEvent("run_started", {"hyperparameters": found}, None, time_s)
    elif data.HasField("session_end_info") and data.session_end_info.status in _STATUSES:
        yield ImportedEvent("run_finished", {"status": _STATUSES[data.session_end_info.status]})


def _names(folders: list[Path], used: list[int]) -> dict[int, str]:
    """Return what stands before the names of each folder: nothing where there is one."""
    top = Path(os.path.commonpath([folders[index] for index in used])) if used else Path()
    names = {index: folders[index].relative_to(top).as_posix() for index in used}
    return {index: "" if name == "." else name for index, name in names.items()}


def _put_together(points: Points, names: dict[int, str]) -> Iterator[ImportedEvent]:
    report = _Report()
    for point in points:
        part = names[point.folder]
        name = _as_field(point.tag)
        if part in ("train", "eval"):
            part, name = "", f"{part}/{name}"
        if isinstance(point.value, str):
            tag = f"{part}/{name}" if part else name
            fields = {"message": point.value, "tag": tag}
            yield ImportedEvent("message", fields, point.step, point.time_s)
        elif not report.takes(point, part, name):
            yield from report.events()
            report = _Report()
            report.takes(point, part, name)
    yield from report.events()


def _as_field(tag: str) -> str:
    """Name the statistics of rewards as `reward` has them: our sink leaves the type away."""
    is_statistic = declared_kind("reward", tag) in (Kind.NUMBER, Kind.INTEGER)
    return f"reward/{tag}" if tag.startswith("rewards/") and is_statistic else tag


class _Report:
    """The numbers of one step: a tag has one in it."""

    def __init__(self) -> None:
        self._first: Point | None = None
        self._values: dict[str, dict[str, float]] = {}

    def takes(self, point: Point, part: str, name: str) -> bool:
        """Take a number; False if it is of another step, or its tag has one already."""
        values = self._values.get(part, {})
        if self._first is not None and point.step != self._first.step:
            return False
        if name in values:
            # A trainer says its epoch with each report, of training and of evaluation.
            return name.rpartition("/")[2] in BESIDE and values[name] == point.value
        self._first = self._first or point
        self._values.setdefault(part, {})[name] = point.value  # type: ignore[assignment]
        return True

    def events(self) -> Iterator[ImportedEvent]:
        """Yield the events that the numbers make."""
        if self._first is not None:
            for event, fields in sort_reports(self._values).items():
                yield ImportedEvent(event, fields, self._first.step, self._first.time_s)
