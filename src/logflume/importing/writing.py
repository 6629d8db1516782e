"""Writes imported events as a run, through the same normalizer and sinks as any other run."""

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
"""The paths of the outputs by sink; the journal is first."""

_BATCH = 1000
_LOGGERS = {"system": "system", "reward": "reward", "model_output": "model"}
_MODES = {"training": "train", "evaluation": "eval"}
_LAST_TIME_S = 253_402_300_799.0  # end of the year 9999, the last that RFC 3339 can represent


def write_run(
    imported: Iterable[ImportedEvent], run: RunInfo, origin: dict[str, str], default_time_s: float
) -> Counter[str]:
    """Write a run completely or not at all: its folder gets its name once everything is written.

    Args:
        imported: The events of the run, in order.
        run: The id and folder of the run.
        origin: The field `imported` of `run_started`, which identifies the source.
        default_time_s: The time of events that have none, in seconds since 1970.

    Returns:
        Number of events by type.

    Raises:
        RunError: The folder already exists or can't be written, or there are no events.
    """
    if run.folder.exists():
        raise RunError(f"{run.folder} already exists. Choose another id with --run.")
    staged = msgspec.structs.replace(run, dir=run.dir / f".import-{run.run}-{os.getpid()}")
    builder = _EventBuilder(staged, default_time_s)
    with ExitStack() as undo:
        undo.callback(shutil.rmtree, staged.dir, ignore_errors=True)
        try:
            _write_all(builder.events(imported, origin), staged)
            builder.state().save(staged)
            staged.folder.rename(run.folder)
        except OSError as error:
            raise RunError(f"{run.folder}: the run can't be written: {error}") from error
    return builder.counts


def _write_all(events: Iterator[Event], run: RunInfo) -> None:
    context = {"run": run, "metrics": MetricsConfig()}
    with ExitStack() as opened:
        sinks: list[Sink] = []
        for name, path in _SINKS.items():
            config = SinkConfig(type=name, options={"path": path})
            sinks.append(build_sink(name, config, context))
            opened.callback(sinks[-1].close)
        while batch := list(islice(events, _BATCH)):
            for sink in sinks:
                sink.write(batch)


class _EventBuilder:
    """Builds the events of a run, from `run_started` to `run_finished`.

    Attributes:
        counts: Number of events by type so far.
    """

    def __init__(self, run: RunInfo, default_time_s: float) -> None:
        self.counts: Counter[str] = Counter()
        self._run = run
        self._normalizer = Normalizer(run)
        self._default_time_s = default_time_s
        self._times_s: list[float] = []
        self._run_finished: dict[str, Any] = {"status": "finished"}
        self._last_step: Any = None

    def events(self, imported: Iterable[ImportedEvent], origin: dict[str, str]) -> Iterator[Event]:
        """Yield every event, normalized.

        Raises:
            RunError: There are no events.
        """
        imported = iter(imported)
        first = next(imported, None)
        if first is None:
            raise RunError(f"{origin['path']}: nothing to import")
        start = {"schema_version": SCHEMA_VERSION, "imported": origin}
        yield self._build(ImportedEvent("run_started", start, None, first.time_s), "system")
        for item in chain([first], imported):
            if item.event == "run_finished":
                self._run_finished |= item.fields
            else:
                yield self._build(item, _LOGGERS.get(item.event, "training"))
        if (duration_s := max(self._times_s) - min(self._times_s)) > 0:
            self._run_finished["duration_s"] = duration_s
        end = ImportedEvent("run_finished", self._run_finished, self._last_step, max(self._times_s))
        yield self._build(end, "system")

    def state(self) -> RunState:
        """Return the state for `run.json`."""
        return RunState(
            run=self._run.run,
            attempt=self._run.attempt,
            started=_format(min(self._times_s)),
            status=self._run_finished["status"],
            kinds=self._normalizer.kinds,
            whole=dict.fromkeys(_SINKS, 1),
        )

    def _build(self, imported: ImportedEvent, logger: str) -> Event:
        event = {
            "timestamp": _format(self._time(imported.time_s)),
            "level": "info",
            "logger": logger,
            "event": imported.event,
            "step": imported.step,
        }
        if mode := _MODES.get(imported.event):
            event["mode"] = mode
        reserved = RESERVED_FOR_PIPELINE | event.keys()
        extras = {name: value for name, value in imported.fields.items() if name in reserved}
        fields = {name: value for name, value in imported.fields.items() if name not in reserved}
        finished = self._normalizer.finish({**event, **fields, "extras": extras})
        self.counts[finished["event"]] += 1
        self._last_step = self._last_step if finished["step"] is None else finished["step"]
        return finished

    def _time(self, time_s: float | None) -> float:
        is_valid = time_s is not None and math.isfinite(time_s) and 0 <= time_s <= _LAST_TIME_S
        valid_s = time_s if is_valid and time_s is not None else self._default_time_s
        self._times_s = [min([valid_s, *self._times_s]), max([valid_s, *self._times_s])]
        return valid_s


def _format(time_s: float) -> str:
    return format_time(round(time_s * 1e6) * 1000)
