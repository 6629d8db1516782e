"""A running pipeline, from its first event to its last."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from logflume.pipeline.buffer import RecordSource
from logflume.pipeline.delivery import Delivery
from logflume.pipeline.processor_chain import ProcessorChain
from logflume.pipeline.records import Position, Record
from logflume.pipeline.worker import Worker

__all__ = ["Pipeline", "Report", "Status"]


class Report(msgspec.Struct, kw_only=True):
    """What became of the events, in numbers. At rest, accepted = written + dropped for each sink.

    Attributes:
        accepted: Events taken from the training code.
        written: Events that left the chain; a processor may drop some, or add some.
        dropped: Events that the full buffer dropped, or that could not be read.
        misfits: Values that are in `extras` because they did not fit their column.
        sinks: By sink: `accepted`, `written`, `dropped`, `dropped/<reason>`, `failed`, `filled_in`.
        processors: By processor: calls that raised.
    """

    accepted: int = 0
    written: int = 0
    dropped: int = 0
    misfits: int = 0
    sinks: dict[str, dict[str, int]] = {}
    processors: dict[str, int] = {}

    def as_fields(self) -> dict[str, Any]:
        """Return the report as the fields of a `pipeline` event."""
        fields = msgspec.structs.asdict(self)
        fields["processors"] = {k: {"failed": v} for k, v in self.processors.items()}
        return {"status": "report", **{k: v for k, v in fields.items() if v != {}}}


class Status(msgspec.Struct, kw_only=True):
    """How a pipeline is.

    Attributes:
        report: The counts up to now.
        faults: What is wrong at the moment, by sink; empty while all is well.
        whole_sinks: The sinks that have all that the journal has for them.
        complete_sinks: The sinks that have every event of this attempt.
    """

    report: Report = msgspec.field(default_factory=Report)
    faults: dict[str, str] = {}
    whole_sinks: list[str] = []
    complete_sinks: list[str] = []


class Pipeline:
    """Moves records from the process's buffer to the sinks, on one worker thread.

    Args:
        worker: The worker.
        chain: Its chain.
        lanes: Its lanes.
        source: Where its records come from.
        opening: Returns the fields of `run_started`. It may take its time: the worker calls it.
    """

    def __init__(
        self,
        worker: Worker,
        chain: ProcessorChain,
        lanes: Sequence[Delivery],
        source: RecordSource,
        opening: Callable[[], dict[str, Any]] | None,
    ) -> None:
        self._worker = worker
        self._chain = chain
        self._lanes = lanes
        self._source = source
        self._opening = opening
        self._started_ns = time.time_ns()

    def start(self) -> None:
        """Start the worker; its first event is `run_started`."""
        self._worker.start(self._open)

    def flush(self, timeout_s: float) -> bool:
        """Wait until all that was logged before can be read in every sink.

        Returns:
            False if that took longer than `timeout_s`, or a sink fails at the moment.
        """
        deadline_s = time.monotonic() + timeout_s
        if not self._worker.request_flush().wait(timeout_s):
            return False
        # All lanes are asked even if one is late.
        results = [lane.drain(max(0.0, deadline_s - time.monotonic())) for lane in self._lanes]
        return all(results)

    def close(self, ending: dict[str, Any] | None, timeout_s: float) -> bool:
        """Write everything, the event `run_finished` and the report, and close the sinks.

        Args:
            ending: Fields of `run_finished`; its duration is added. None: how the run ended is
                not known, and there is no such event.
            timeout_s: The longest that this waits.

        Returns:
            False if it took longer; the sinks that are done by then are whole.
        """
        # Half of the time is for writing, so that a sink that hangs leaves the others the rest,
        # to be closed in.
        drained_by_s = time.monotonic() + timeout_s / 2
        done = self._worker.stop(lambda: self._finish(ending, drained_by_s), timeout_s)
        if not done:
            for lane in self._lanes:
                lane.totals.give_up()
        return done

    def discard(self) -> None:
        """Close the sinks and processors of a pipeline that was never started."""
        self._chain.close()
        for lane in self._lanes:
            lane.close()

    def status(self) -> Status:
        """Return how it is."""
        lanes = self._lanes
        return Status(
            report=self._report(),
            faults={lane.name: lane.fault for lane in lanes if lane.fault is not None},
            whole_sinks=[lane.name for lane in lanes if lane.is_whole],
            complete_sinks=[lane.name for lane in lanes if lane.has_all(self._worker.finished)],
        )

    def _report(self) -> Report:
        return Report(
            accepted=self._worker.taken + self._worker.lost,
            written=self._worker.finished,
            dropped=self._worker.lost,
            misfits=self._worker.misfits,
            sinks={lane.name: lane.totals.as_dict() for lane in self._lanes},
            processors=dict(self._chain.failed),
        )

    def _open(self) -> None:
        if self._opening is not None:
            self._emit("run_started", self._opening(), self._started_ns, (None, None))

    def _finish(self, ending: dict[str, Any] | None, drained_by_s: float) -> None:
        self._worker.write_unfinished(self._chain.close())
        self._worker.turn()
        duration_s = (time.time_ns() - self._started_ns) / 1e9
        if self._opening is not None and ending is not None:
            self._emit("run_finished", {**ending, "duration_s": duration_s})
        late = self._drain(drained_by_s)
        self._worker.turn()
        self._emit("pipeline", self._report().as_fields())
        for lane in sorted(self._lanes, key=late.__contains__):
            lane.close()

    def _drain(self, until_s: float) -> list[Delivery]:
        """Let every lane write what it has; return those that were not done in time."""
        for lane in self._lanes:
            # All are asked before the first is waited for.
            lane.flush()
            lane.drain(0.0)
        return [
            lane for lane in self._lanes if not lane.drain(max(0.0, until_s - time.monotonic()))
        ]

    def _emit(
        self,
        event: str,
        fields: dict[str, Any],
        time_ns: int | None = None,
        position: Position | None = None,
    ) -> None:
        """Write an event of the pipeline's own, from the worker's thread."""
        time_ns = time_ns or time.time_ns()
        position = position or self._source.position
        self._worker.write_call(Record(time_ns, "system", "info", event, {}, fields, position))
