"""What the console shows of a run: a line for each step, messages, alerts, some completions."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import chain

from logflume.events.reserved import LEVELS
from logflume.protocols import Event
from logflume.terminal.cells import pad
from logflume.terminal.compact_numbers import compact_duration
from logflume.terminal.completion_panel import panel_lines
from logflume.terminal.console_lines import (
    PYTHON_WARNINGS,
    Screen,
    alert_lines,
    event_lines,
    local_time,
)
from logflume.terminal.step_collector import STEP_EVENTS, CollectedStep, StepCollector
from logflume.terminal.step_line import StepClock, StepTable, timing_texts
from logflume.terminal.step_metrics import step_metrics
from logflume.values.columnar import EventColumns

__all__ = ["ConsolePrinter"]

_OF_THE_START_AND_END_LINES = frozenset({"run_started", "run_finished"})

_PARTS_OF_A_STEP = frozenset({"generation", "rank", "tokens"})
"""Events of each step whose numbers are for queries only."""

_STEP_WIDTH = len("step 999")
"""Cells of the step: most training runs of unknown length reach three digits."""

_MIN_STEPS = 10
"""The minimum number of step lines between two completions, unless fewer are configured."""

_MAX_REMEMBERED = 256
"""Warnings of Python, and tracebacks, that are remembered, so that each is shown once."""

_HYPERPARAMETER = "hyperparameters/"

_WELL_KNOWN = tuple(
    _HYPERPARAMETER + name
    for name in (
        *("learning_rate", "per_device_train_batch_size", "gradient_accumulation_steps"),
        *("num_generations", "max_completion_length", "beta", "temperature", "seed"),
    )
)
"""The trainer's arguments that the line at its start shows, as far as they fit."""

_UNPRINTED = {
    "exception": "exception/traceback",
    "reward_error": "exception/traceback",
    "run_finished": "exception",
    "pipeline": "exception/traceback",
}
"""By event type, the field that repeats what Python prints of an uncaught exception, or what the
reason of a fault says in short."""


class ConsolePrinter:
    """Turns events into lines. Keeps the columns of the step lines, and the open steps.

    Args:
        completions: Interval in steps at which a completion is shown; 0: never.
        find_total: Returns the total number of steps of the training; None if unknown.
    """

    def __init__(self, completions: int, find_total: Callable[[], int | None]) -> None:
        self._completions = completions
        self._find_total = find_total
        self._collector = StepCollector()
        self._tables = {False: StepTable(), True: StepTable()}
        self._clock = StepClock()
        self._step_width = 0
        self._panels: list[Event] = []
        self._last_period: int | None = None
        self._last_step: object = None
        self._steps_since = completions
        self._warnings: set[str] = set()
        self._raised: set[str] = set()

    def add(self, events: Sequence[Event], screen: Screen) -> list[str]:
        """Return the lines that are due with these events."""
        if isinstance(events, EventColumns) and events.columns["event"][:1] == ["model_output"]:
            events = events[:1]  # the other completions of the batch aren't shown
        return list(chain.from_iterable(self._lines(event, screen) for event in events))

    def flush(self, screen: Screen) -> list[str]:
        """Return the lines of the steps that may be complete."""
        return self._step_lines(self._collector.flush(), screen)

    def close(self, screen: Screen) -> list[str]:
        """Return the remaining lines."""
        lines = self._step_lines(self._collector.close(), screen)
        return lines + self._take_panels(screen)

    def _lines(self, event: Event, screen: Screen) -> list[str]:
        event_type = event["event"]
        if event_type == "model_output":
            self._note_completion(event)
            # The line of its step may already have been printed.
            return self._take_panels(screen) if event["step"] == self._last_step else []
        is_usual = LEVELS.get(event["level"], 0) <= LEVELS["info"]
        if event_type in STEP_EVENTS and is_usual:
            return self._step_lines(self._collector.add(event), screen)
        if event_type == "run_started" and event.get("arguments") is not None:
            self._collector.note_trainer()
            event = _as_message(event, _describe_training(event), _WELL_KNOWN)
        elif event_type == "summary":
            event = _as_message(event, _describe_end(event), ("train_loss",))
        elif _is_in_start_or_end_line(event) or (event_type in _PARTS_OF_A_STEP and is_usual):
            return []
        if event["logger"] == PYTHON_WARNINGS and self._is_repeated(event):
            return []
        # Steps that began earlier are printed earlier.
        lines = self._step_lines(self._collector.flush(), screen)
        format_event = alert_lines if event_type == "alert" else event_lines
        return lines + format_event(self._with_new_trace(_unprinted(event)), screen)

    def _with_new_trace(self, event: Event) -> Event:
        """Return an event without its traceback if that was shown before: it was logged again.

        The frames further out differ if handlers of several levels log one exception.
        """
        trace = event.get("exception/traceback")
        if not isinstance(trace, str):
            return event
        innermost = trace.rpartition("\n  File ")[2]
        if innermost in self._raised:
            return _in_one_line(event, "exception/traceback")
        if len(self._raised) < _MAX_REMEMBERED:
            self._raised.add(innermost)
        return event

    def _is_repeated(self, event: Event) -> bool:
        """Whether a warning of Python was shown before. Libraries reset Python's own record."""
        text = str(event.get("message"))
        is_known = text in self._warnings
        if len(self._warnings) < _MAX_REMEMBERED:
            self._warnings.add(text)
        return is_known

    def _note_completion(self, event: Event) -> None:
        """Keep a completion until the line of its step, if one is due."""
        step = event["step"]
        if not self._completions or not isinstance(step, int) or event.get("mode") == "eval":
            return
        if event.get("model_output") is None and event.get("answer") is None:
            return  # its frame would be empty
        period = step // self._completions
        # Steps may be far apart, for example where they count tokens.
        if period != self._last_period and self._steps_since >= min(_MIN_STEPS, self._completions):
            self._last_period, self._steps_since = period, 0
            self._panels.append(event)

    def _step_lines(self, steps: Iterable[CollectedStep], screen: Screen) -> list[str]:
        lines: list[str] = []
        for step in steps:
            lines += self._step_line(step, screen)
            if not step.is_eval:
                self._last_step = step.step
                self._steps_since += 1
                lines += self._take_panels(screen)
        return lines

    def _take_panels(self, screen: Screen) -> list[str]:
        panels, self._panels = self._panels, []
        return list(chain.from_iterable(panel_lines(event, screen) for event in panels))

    def _step_line(self, step: CollectedStep, screen: Screen) -> Iterator[str]:
        values = step.values()
        metrics = step_metrics(values)
        if not metrics:
            return
        timing = [] if step.is_eval else self._time(step, values.get("step_time"))
        start = local_time(step.timestamp) + "  "
        where = self._place(step)
        if where:
            self._step_width = max(self._step_width, len(where), _STEP_WIDTH)
        where = pad(where, self._step_width) + "  " if self._step_width else ""
        room = screen.width - len(start) - len(where)
        table = self._tables[step.is_eval].format(metrics, timing, room, screen.paint)
        style = "eval" if step.is_eval else ""
        yield screen.paint(start, "dim") + screen.paint(where, style) + table

    def _place(self, step: CollectedStep) -> str:
        name = "eval" if step.is_eval else "step"
        if not isinstance(step.step, int):
            return name if step.is_eval else ""
        total = self._find_total()
        if total is None:
            return f"{name} {step.step}"
        return f"{name} {step.step:>{len(str(total))}}/{total}"

    def _time(self, step: CollectedStep, reported_s: object) -> list[str]:
        """Return the texts about the duration of the steps, and note this one."""
        if not isinstance(step.step, int):
            return []
        self._clock.note(step.step, datetime.fromisoformat(step.timestamp).timestamp())
        step_s = self._clock.step_s
        if step_s is None and isinstance(reported_s, (int, float)) and reported_s >= 0:
            step_s = float(reported_s)
        total = self._find_total()
        return timing_texts(step_s, None if total is None else max(0, total - step.step))


def _as_message(event: Event, text: str, names: Sequence[str]) -> Event:
    """Return an event as a message with some of its fields."""
    reserved = {"event": "message", "message": text, "step": None, "mode": None}
    kept = {n: event[n] for n in ("timestamp", "level", "logger")}
    fields = {name.removeprefix(_HYPERPARAMETER): event.get(name) for name in names}
    return {**kept, **reserved, **fields}


def _describe_training(event: Event) -> str:
    steps = event.get("total_steps")
    return f"Training starts: {steps:,} steps" if isinstance(steps, int) else "Training starts"


def _describe_end(event: Event) -> str:
    step, runtime_s = event["step"], event.get("train_runtime")
    text = f"Training ended after {step:,} steps" if isinstance(step, int) else "Training ended"
    if isinstance(runtime_s, (int, float)) and math.isfinite(runtime_s):
        text += f", {compact_duration(float(runtime_s))}"
    return text


def _is_in_start_or_end_line(event: Event) -> bool:
    """Whether the lines that the training process prints at start and end show an event."""
    if event["event"] == "pipeline":
        return event.get("status") == "report"
    return event["event"] in _OF_THE_START_AND_END_LINES


def _unprinted(event: Event) -> Event:
    """Return an event without the text that the console shows elsewhere, or in short."""
    name = _UNPRINTED.get(event["event"])
    # An `exception` event with a thread comes from the hooks, one without from a log call.
    if name is None or (event["event"] == "exception" and event.get("thread") is None):
        return event
    return _in_one_line(event, name)


def _in_one_line(event: Event, name: str) -> Event:
    """Return an event without the field of the traceback; the message says what was raised."""
    shown = {other: value for other, value in event.items() if other != name}
    if error := event.get("exception/type"):
        what = str(event.get("exception/message") or "").strip().partition("\n")[0]
        shown["message"] = ": ".join(filter(None, (event.get("message"), error, what)))
    return shown
