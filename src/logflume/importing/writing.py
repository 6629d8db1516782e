"""From found events to a run folder, through the normaliser and the sinks of any other run."""

from __future__ import annotations

import math
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import chain, islice
from typing import Any

import msgspec

from logflume.config.model import MetricsConfig, SinkConfig
from logflume.events.catalogue import SCHEMA_VERSION
from logflume.events.reserved import RESERVED_FOR_PIPELINE
from logflume.events.times import format_time
from logflume.exceptions import RunError
from logflume.importing.names import ImportedEvent
from logflume.pipeline.build import build_sink
from logflume.protocols import Event, Sink
from logflume.runs.info import RunInfo
from logflume.runs.state import RunState
from logflume.values.normalize import Normalizer

__all__ = ["write_run"]

_SINKS = {
    "jsonl": "{dir}/{run}/events.jsonl",
    "parquet": "{dir}/{run}/parquet",
    "tensorboard": "{dir}/{run}/tensorboard",
}
"""The outputs by the names of their sinks; the journal is the first."""

_BATCH = 1000
_LOGGERS = {"system": "system", "reward": "reward", "model_output": "model"}
_MODES = {"training": "train", "evaluation": "eval"}
_LAST_TIME_S = 253_402_300_799.0  # the end of the year 9999, after which RFC 3339 has no times


def write_run(
    found: Iterable[ImportedEvent], run: RunInfo, origin: dict[str, str], default_time_s: float
) -> Counter[str]:
    """Write a run, whole or not at all: it gets its name when everything is written.

    Args:
        found: Its events, in order.
        run: Its id and where it goes.
        origin: What `run_started` tells of where it is from.
        default_time_s: The time of events that have none, in seconds since 1970.

    Returns:
        How many events it has of each type.

    Raises:
        RunError: The folder is there already or can't be written, or nothing was found.
    """
    if run.folder.exists():
        raise RunError(f"{run.folder} is there already. Choose another id with --run.")
    staged = msgspec.structs.replace(run, dir=run.dir / f".import-{run.run}-{os.getpid()}")
    maker = _Maker(staged, default_time_s)
    with ExitStack() as undo:
        undo.callback(shutil.rmtree, staged.dir, ignore_errors=True)
        try:
            _write_all(maker.events(found, origin), staged)
            maker.state().save(staged)
            staged.folder.rename(run.folder)
        except OSError as error:
            raise RunError(f"{run.folder}: the run can't be written: {error}") from error
    return maker.counts


def _write_all(events: Iterator[Event], run: RunInfo) -> None:
    given = {"run": run, "metrics": MetricsConfig()}
    with ExitStack() as opened:
        sinks: list[Sink] = []
        for name, path in _SINKS.items():
            config = SinkConfig(type=name, options={"path": path})
            sinks.append(build_sink(name, config, given))
            opened.callback(sinks[-1].close)
        while batch := list(islice(events, _BATCH)):
            for sink in sinks:
                sink.write(batch)


class _Maker:
    """Makes the events of a run, from `run_started` to `run_finished`.

    Attributes:
        counts: How many there are of each type so far.
    """

    def __init__(self, run: RunInfo, default_time_s: float) -> None:
        self.counts: Counter[str] = Counter()
        self._run = run
        self._normalizer = Normalizer(run)
        self._default_time_s = default_time_s
        self._times_s: list[float] = []
        self._ending: dict[str, Any] = {"status": "finished"}
        self._last_step: Any = None

    def events(self, found: Iterable[ImportedEvent], origin: dict[str, str]) -> Iterator[Event]:
        """Yield every event, finished.

        Raises:
            RunError: Nothing was found.
        """
        found = iter(found)
        first = next(found, None)
        if first is None:
            raise RunError(f"{origin['path']}: there is nothing in it to import")
        start = {"schema_version": SCHEMA_VERSION, "imported": origin}
        yield self._make(ImportedEvent("run_started", start, None, first.time_s), "system")
        for item in chain([first], found):
            if item.event == "run_finished":
                self._ending |= item.fields
            else:
                yield self._make(item, _LOGGERS.get(item.event, "training"))
        if (duration_s := max(self._times_s) - min(self._times_s)) > 0:
            self._ending["duration_s"] = duration_s
        end = ImportedEvent("run_finished", self._ending, self._last_step, max(self._times_s))
        yield self._make(end, "system")

    def state(self) -> RunState:
        """Return what `run.json` keeps."""
        return RunState(
            run=self._run.run,
            attempt=self._run.attempt,
            started=_format(min(self._times_s)),
            status=self._ending["status"],
            kinds=self._normalizer.kinds,
            whole=dict.fromkeys(_SINKS, 1),
        )

    def _make(self, found: ImportedEvent, logger: str) -> Event:
        event = {
            "timestamp": _format(self._time(found.time_s)),
            "level": "info",
            "logger": logger,
            "event": found.event,
            "step": found.step,
        }
        if mode := _MODES.get(found.event):
            event["mode"] = mode
        taken = RESERVED_FOR_PIPELINE | event.keys()
        extras = {name: value for name, value in found.fields.items() if name in taken}
        fields = {name: value for name, value in found.fields.items() if name not in taken}
        finished = self._normalizer.finish({**event, **fields, "extras": extras})
        self.counts[finished["event"]] += 1
        self._last_step = self._last_step if finished["step"] is None else finished["step"]
        return finished

    def _time(self, time_s: float | None) -> float:
        is_good = time_s is not None and math.isfinite(time_s) and 0 <= time_s <= _LAST_TIME_S
        good_s = time_s if is_good and time_s is not None else self._default_time_s
        self._times_s = [min([good_s, *self._times_s]), max([good_s, *self._times_s])]
        return good_s


def _format(time_s: float) -> str:
    return format_time(round(time_s * 1e6) * 1000)
