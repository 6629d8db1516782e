"""The step line: one line for each training step, in columns that keep their places."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Sequence
from statistics import fmean

from logflume.terminal.cells import cell_len, fit
from logflume.terminal.compact_numbers import compact_duration, compact_number
from logflume.terminal.escape import escape
from logflume.terminal.lines import Painter
from logflume.terminal.step_metrics import MAIN_IMPORTANCE, MAX_LABEL_WIDTH, StepMetric

__all__ = ["StepClock", "StepTable", "timing_texts"]

GAP = "  "
MAX_COLUMNS = 64
"""Metrics of which a table keeps a column: a run may have any number."""

_MIN_VALUE_WIDTH = 4
"""Cells of a number with three digits; of a loss, which may be negative and small, two more."""

_MIN_ETA_RANK, _MAX_ETA_RANK = 3, 5
"""Where the time left is among the metrics, by importance: after the main ones, if they are few."""

_RATE_RANK = 4
"""Where the duration of a step is, after the time left."""

_INTERVALS = 20
"""Steps over which the duration of a step is averaged."""


class StepClock:
    """Measures the duration of a step from the times of the events.

    Example:
        >>> clock = StepClock()
        >>> clock.note(1, 10.0)
        >>> clock.note(3, 11.0)
        >>> clock.step_s
        0.5
    """

    def __init__(self) -> None:
        self._last: tuple[int, float] | None = None
        self._intervals: deque[float] = deque(maxlen=_INTERVALS)

    @property
    def step_s(self) -> float | None:
        """The mean duration of the latest steps, in seconds; None before the second one."""
        return fmean(self._intervals) if self._intervals else None

    def note(self, step: int, time_s: float) -> None:
        """Note that a step was completed at this time."""
        if self._last is not None:
            last_step, last_s = self._last
            if step < last_step:  # another training, or one that starts again from a checkpoint
                self._intervals.clear()
            elif step == last_step or time_s < last_s:
                return
            else:
                self._intervals.append((time_s - last_s) / (step - last_step))
        self._last = (step, time_s)


class _Column:
    """A metric's column: its widths only grow, so the columns after it rarely move."""

    def __init__(self, metric: StepMetric, label: str, order: int) -> None:
        self.label = label
        self._label_width = cell_len(label)
        self.importance = (metric.importance, order)
        self.place = (metric.place, order)
        self.is_number = metric.is_number
        self.is_reward = metric.name == "reward"
        is_signed = metric.is_number and "loss" in metric.name
        self.value_width = _MIN_VALUE_WIDTH + 2 * is_signed if metric.is_number else 0

    @property
    def width(self) -> int:
        return self._label_width + 1 + self.value_width

    def note(self, text: str) -> bool:
        """Make room for a value; return whether the column has become wider."""
        needed = cell_len(text)
        if needed <= self.value_width:
            return False
        self.value_width = needed
        return True

    def format(self, text: str | None, paint: Painter) -> str:
        if text is None:
            return " " * self.width
        space = " " * (self.value_width - cell_len(text))
        value = paint(text, "bold" if self.is_reward else "")
        value = space + value if self.is_number else value + space
        return f"{paint(self.label, 'name')} {value}"


class StepTable:
    """The columns of the step lines of one mode.

    A line shows the most important metrics that fit. A metric keeps its column also in lines
    without it. A value that needs more room than those before it may leave none for the least
    important column, whose place no other metric takes.
    """

    def __init__(self) -> None:
        self._columns: dict[str, _Column] = {}
        self._selection: tuple[tuple[int, ...], list[str], list[int]] | None = None

    def format(
        self, metrics: Iterable[StepMetric], timing: Sequence[str], width: int, paint: Painter
    ) -> str:
        """Return the columns of a line.

        Args:
            metrics: The metrics of the step.
            timing: The texts for the end of the line, see `timing_texts`.
            width: Cells of the whole.
            paint: Adds the colours.
        """
        by_name = {metric.name: metric for metric in metrics}
        before = len(self._columns)
        for name, metric in by_name.items():
            if name not in self._columns and len(self._columns) < MAX_COLUMNS:
                self._columns[name] = _Column(metric, self._label(metric), len(self._columns))
                self._selection = None
        request = (width, *map(len, timing))
        texts: dict[str, str] = {}
        while True:
            if self._selection is None or self._selection[0] != request:
                self._selection = request, *self._select(request[1:], width, self._columns)
            _, shown, ends = self._selection
            texts |= {n: by_name[n].text for n in shown if n in by_name and n not in texts}
            # A value that is wider than those before it may leave no room for another column.
            if not sum(self._columns[n].note(texts[n]) for n in shown if n in texts):
                break
            allowed = self._columns if len(self._columns) > before else shown
            self._selection = request, *self._select(request[1:], width, allowed)
        pieces = [self._columns[name].format(texts.get(name), paint) for name in shown]
        end = GAP.join(timing[index] for index in ends).rstrip()
        return GAP.join([*pieces, paint(end, "dim")]).rstrip()

    def _select(
        self, timing: Sequence[int], width: int, allowed: Collection[str]
    ) -> tuple[list[str], list[int]]:
        """Return the names of the columns that fit, and the indices of the texts, from the left.

        Args:
            timing: The lengths of the texts.
            width: Cells of the whole.
            allowed: The names of the columns to choose from.
        """
        ranked = sorted(allowed, key=lambda name: self._columns[name].importance)
        items: list[tuple[str | int, int]] = [(n, self._columns[n].width) for n in ranked]
        main = sum(self._columns[name].importance[0] <= MAIN_IMPORTANCE for name in ranked)
        eta_rank = min(max(main, _MIN_ETA_RANK), _MAX_ETA_RANK)
        for index, length in enumerate(timing):
            items.insert(eta_rank + index * _RATE_RANK, (index, length))
        left = width + len(GAP)
        shown: list[str] = []
        ends: list[int] = []
        for item, needed in items:
            if needed + len(GAP) <= left:
                left -= needed + len(GAP)
                if isinstance(item, int):
                    ends.append(item)
                else:
                    shown.append(item)
        return sorted(shown, key=lambda name: self._columns[name].place), ends[::-1]

    def _label(self, metric: StepMetric) -> str:
        """Return the label of a new column: the whole name where another one has the short name."""
        is_taken = any(column.label == metric.label for column in self._columns.values())
        return fit(escape(metric.name), MAX_LABEL_WIDTH) if is_taken else metric.label


def timing_texts(step_s: float | None, remaining_steps: int | None) -> list[str]:
    """Return the texts about time at the end of a line: the time left, and that of a step.

    What isn't known yet is blank, so that the columns before it keep their places.

    Args:
        step_s: The duration of a step, in seconds; None if unknown.
        remaining_steps: The steps that are left; None if it isn't known how many there will be.

    >>> timing_texts(0.5, 28)
    ['ETA 14 s ', '0.5 s/step']
    """
    rate = _rate(step_s) if step_s else ""
    texts = [f"{rate:>10}"]
    if remaining_steps is not None:
        eta = "" if step_s is None else f"ETA {compact_duration(round(remaining_steps * step_s))}"
        texts.insert(0, f"{eta:<9}")
    return texts


def _rate(step_s: float) -> str:
    if 0 < step_s < 0.05:
        return f"{compact_number(round(1 / step_s))} steps/s"
    return f"{compact_duration(step_s)}/step"
