"""A running pipeline, from its first event to its last."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from logflume.pipeline.buffer import RecordSource
from logflume.pipeline.delivery import Delivery
from logflume.pipeline.processor_chain import ProcessorChain
from logflume.pipeline.records import Record, StepAndMode
from logflume.pipeline.worker import Worker

__all__ = ["Pipeline", "Report", "Status"]


class Report(msgspec.Struct, kw_only=True):
    """Counts of what became of the events: at rest, accepted = written + dropped for each sink.

    Events that a processor drops are not counted; those that it adds and the pipeline's own are.
    The report itself, the last event of a run, is not included.

    Attributes:
        accepted: Events to be written, each counted once regardless of its number of sinks.
        written: Those of them that were handed to the sinks.
        dropped: Events that the full buffer dropped, or that couldn't be created.
        dropped_by_reason: The same by reason.
        misfits: Values that are in `extras` because they did not fit their column.
        sinks: By sink: `accepted`, `written`, `dropped`, `dropped/<reason>`, `failed`, `filled_in`.
        processors: By processor: calls that raised.
        alerts: Alerts by signal, in the order in which they were first raised, except those whose
            problem is over.
    """

    accepted: int = 0
    written: int = 0
    dropped: int = 0
    dropped_by_reason: dict[str, int] = {}
    misfits: int = 0
    sinks: dict[str, dict[str, int]] = {}
    processors: dict[str, int] = {}
    alerts: dict[str, int] = {}

    def as_fields(self) -> dict[str, Any]:
        """Return the report as the fields of a `pipeline` event."""
        fields = msgspec.structs.asdict(self)
        reasons = fields.pop("dropped_by_reason")
        del fields["alerts"]  # they are events themselves
        fields |= {f"dropped/{reason}": count for reason, count in reasons.items()}
        fields["processors"] = {k: {"failed": v} for k, v in self.processors.items()}
        return {"status": "report", **{k: v for k, v in fields.items() if v != {}}}


class Status(msgspec.Struct, kw_only=True):
    """The state of a pipeline.

    Attributes:
        report: The counts up to now.
        faults: The current fault of each sink that has one.
        losses: What another process has removed of the output of each sink that lost something.
        is_recorded: Whether the journal, if there is one, has every event.
        whole_sinks: The sinks that have all events that the journal has for them.
        complete_sinks: The sinks that have every event of this attempt.
        duration_s: Duration of the attempt in seconds, as in `run_finished`; None before.
    """

    report: Report = msgspec.field(default_factory=Report)
    faults: dict[str, str] = {}
    losses: dict[str, str] = {}
    is_recorded: bool = True
    whole_sinks: list[str] = []
    complete_sinks: list[str] = []
    duration_s: float | None = None


class Pipeline:
    """Moves records from the process's buffer to the sinks, on one worker thread.

    Args:
        worker: The worker.
        chain: Its processor chain.
        deliveries: Its deliveries.
        source: The source of its records.
        opening: Returns the fields of `run_started`. It may be slow: the worker's thread calls it.
        started_ns: When the attempt started, in nanoseconds since 1970.
        earlier_events: Events of the attempt that a killed worker process has written; None:
            the pipeline starts the attempt, with the event `run_started`.

    Attributes:
        has_died: False: it runs in the current process.
    """

    has_died = False

    def __init__(
        self,
        worker: Worker,
        chain: ProcessorChain,
        deliveries: Sequence[Delivery],
        source: RecordSource,
        opening: Callable[[], dict[str, Any]] | None,
        started_ns: int,
        earlier_events: int | None = None,
    ) -> None:
        self._worker = worker
        self._chain = chain
        self._deliveries = deliveries
        self._source = source
        self._opening = opening
        self._earlier_events = earlier_events
        self._started_ns = started_ns
        self._duration_s: float | None = None

    def start(self) -> None:
        """Start the worker; its first event is `run_started`."""
        self._worker.start(self._open)

    def flush(self, timeout_s: float) -> bool:
        """Wait until everything logged before this call can be read in every sink.

        Returns:
            False if that took longer than `timeout_s`, or a sink has a fault.
        """
        deadline_s = time.monotonic() + timeout_s
        if not self._worker.request_flush().wait(timeout_s):
            return False
        # No delivery is left out because an earlier one is late.
        results = [d.drain(max(0.0, deadline_s - time.monotonic())) for d in self._deliveries]
        return all(results)

    def close(self, ending: dict[str, Any] | None, timeout_s: float) -> bool:
        """Write everything, the event `run_finished` and the report, and close the sinks.

        Args:
            ending: Fields of `run_finished`; its duration is added. None: how the run ended is
                unknown, and there is no such event.
            timeout_s: The longest that this waits.

        Returns:
            False if it took longer; the sinks that are done by then have everything. Call it again
            to wait longer, or `give_up`.
        """
        # Half of the time is for writing: a sink that hangs leaves the others time to be closed.
        drained_by_s = time.monotonic() + timeout_s / 2
        return self._worker.stop(lambda: self._finish(ending, drained_by_s), timeout_s)

    def give_up(self) -> None:
        """Count what `close` has not written as dropped, and write no more."""
        self._worker.give_up()
        for delivery in self._deliveries:
            delivery.counters.give_up()

    def when_ended(self, call: Callable[[], None]) -> None:
        """Call `call` once the pipeline writes nothing more, which may be immediately."""
        self._worker.when_ended(call)

    def discard(self) -> None:
        """Close the sinks and processors of a pipeline that was never started."""
        self._chain.close()
        for delivery in self._deliveries:
            delivery.close()

    def status(self) -> Status:
        """Return the current state."""
        deliveries = self._deliveries
        return Status(
            report=self._report(),
            faults={d.name: d.fault for d in deliveries if d.fault is not None},
            losses={d.name: loss for d in deliveries if (loss := d.loss) is not None},
            is_recorded=all(d.is_whole for d in deliveries if d.is_journal),
            whole_sinks=[d.name for d in deliveries if d.is_whole],
            complete_sinks=[d.name for d in deliveries if d.has_all(self._worker.finished)],
            duration_s=self._duration_s,
        )

    def _report(self) -> Report:
        dropped = dict(self._worker.dropped)
        earlier = self._earlier_events or 0
        written = earlier + self._worker.finished
        return Report(
            accepted=written + sum(dropped.values()),
            written=written,
            dropped=sum(dropped.values()),
            dropped_by_reason=dropped,
            misfits=self._worker.misfits,
            sinks={d.name: self._counts(d, earlier) for d in self._deliveries},
            processors=dict(self._chain.failed),
            alerts=dict(self._worker.alerts),
        )

    def _counts(self, delivery: Delivery, earlier: int) -> dict[str, int]:
        """Return the counts of a sink; the other sinks count the `earlier` events as filled in."""
        counts = delivery.counters.as_dict()
        if earlier and delivery.is_journal:
            counts["accepted"] += earlier
            counts["written"] += earlier
        return counts

    def _open(self) -> None:
        if self._opening is not None and self._earlier_events is None:
            self._emit("run_started", self._opening(), self._started_ns, (None, None))

    def _finish(self, ending: dict[str, Any] | None, drained_by_s: float) -> None:
        # One after another, whatever fails: the sinks are closed, and their events counted.
        guarded = self._worker.guarded
        guarded(lambda: self._worker.write_unfinished(self._chain.close()))
        guarded(self._worker.turn)
        self._duration_s = (time.time_ns() - self._started_ns) / 1e9
        if self._opening is not None and ending is not None:
            if self._worker.is_given_up:
                ending = {**ending, "status": "incomplete"}
            self._emit("run_finished", {**ending, "duration_s": self._duration_s})
        late = self._drain(drained_by_s)
        guarded(self._worker.turn)
        self._emit("pipeline", self._report().as_fields())
        for delivery in sorted(self._deliveries, key=late.__contains__):
            if not guarded(delivery.close):
                delivery.counters.give_up()

    def _drain(self, until_s: float) -> list[Delivery]:
        """Let every delivery write what it has; return those that were not done in time."""
        for delivery in self._deliveries:
            # All begin before the first is waited for.
            delivery.flush()
            delivery.drain(0.0)
        return [d for d in self._deliveries if not d.drain(max(0.0, until_s - time.monotonic()))]

    def _emit(
        self,
        event: str,
        fields: dict[str, Any],
        time_ns: int | None = None,
        step_and_mode: StepAndMode | None = None,
    ) -> None:
        """Write one of the pipeline's own events. Runs on the worker's thread."""
        time_ns = time_ns or time.time_ns()
        # Not the mode: the events are about the run, also if it ends within an evaluation.
        step, _ = step_and_mode or self._source.step_and_mode
        record = Record(time_ns, "system", "info", event, {}, fields, (step, None))
        self._worker.write_record(record)
