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
"""Columns of a table, at most: a run may have any number of metrics."""

_MIN_VALUE_WIDTH = 4
"""Cells of a number with three digits. A loss, which may be negative and small, has two more."""

_MIN_ETA_RANK, _MAX_ETA_RANK = 3, 5
"""Rank of the time left among the metrics: after the main ones, within these limits."""

_RATE_RANK = 4
"""Ranks between the time left and the duration of a step."""

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
        """Note the time at which a step was completed."""
        if self._last is not None:
            last_step, last_s = self._last
            if step < last_step:  # another session, or one that starts again from a checkpoint
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
        """Make room for a value, and return whether the column became wider."""
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

    A line shows the most important metrics that fit. A metric keeps its column even in lines that
    don't have it. A value that needs more room than those before it may leave none for the least
    important column; no other metric takes its place.
    """

    def __init__(self) -> None:
        self._columns: dict[str, _Column] = {}
        self._shown: Collection[str] = ()
        self._width = 0

    def format(
        self, metrics: Iterable[StepMetric], timing: Sequence[str], width: int, paint: Painter
    ) -> str:
        """Return the columns of a line.

        Args:
            metrics: The metrics of the step.
            timing: The texts for the end of the line, see `timing_texts`.
            width: Cells of the line.
            paint: Adds the colours.
        """
        by_name = {metric.name: metric for metric in metrics}
        before = len(self._columns)
        for name, metric in by_name.items():
            if name not in self._columns and len(self._columns) < MAX_COLUMNS:
                self._columns[name] = _Column(metric, self._label(metric), len(self._columns))
        is_changed = len(self._columns) > before or width != self._width
        allowed = self._columns if is_changed else self._shown
        texts: dict[str, str] = {}
        while True:
            shown, ends = self._select(timing, width, allowed)
            texts |= {n: by_name[n].text for n in shown if n in by_name and n not in texts}
            # A value that is wider than those before it may leave no room for another column.
            if not sum(self._columns[n].note(texts[n]) for n in shown if n in texts):
                break
        self._shown, self._width = shown, width
        pieces = [self._columns[name].format(texts.get(name), paint) for name in shown]
        end = GAP.join(ends).rstrip()
        return GAP.join([*pieces, paint(end, "dim")]).rstrip()

    def _select(
        self, timing: Sequence[str], width: int, allowed: Collection[str]
    ) -> tuple[list[str], list[str]]:
        """Return the names of the columns that fit, and the texts about time, from the left."""
        shown: list[str] = []
        ends: list[str] = []
        ranked = sorted(allowed, key=lambda name: self._columns[name].importance)
        # Each has its width, and the list it goes to if it fits.
        items = [(name, self._columns[name].width, shown) for name in ranked]
        main = sum(self._columns[name].importance[0] <= MAIN_IMPORTANCE for name in ranked)
        eta_rank = min(max(main, _MIN_ETA_RANK), _MAX_ETA_RANK)
        for index, text in enumerate(timing):
            items.insert(eta_rank + index * _RATE_RANK, (text, len(text), ends))
        left = width + len(GAP)
        for item, needed, chosen in items:
            if needed + len(GAP) <= left:
                left -= needed + len(GAP)
                chosen.append(item)
        return sorted(shown, key=lambda name: self._columns[name].place), ends[::-1]

    def _label(self, metric: StepMetric) -> str:
        """Return the label of a new column: the whole name if the short one is taken."""
        is_taken = any(column.label == metric.label for column in self._columns.values())
        return fit(escape(metric.name), MAX_LABEL_WIDTH) if is_taken else metric.label


_MIN_ETA_S = 5
"""The shortest time left that is shown."""


def timing_texts(step_s: float | None, remaining_steps: int | None) -> list[str]:
    """Return the texts at the end of a line: the time left, and the duration of a step.

    Unknown times are blank, so that the columns before them keep their places. So is a time left
    that would be over before it is read.

    Args:
        step_s: The duration of a step, in seconds; None if unknown.
        remaining_steps: The number of steps left; None if unknown.

    >>> timing_texts(0.5, 28)
    ['ETA 14 s ', '0.5 s/step']
    """
    rate = _rate(step_s) if step_s else ""
    texts = [f"{rate:>10}"]
    if remaining_steps is not None:
        remaining_s = 0 if step_s is None else round(remaining_steps * step_s)
        eta = f"ETA {compact_duration(remaining_s)}" if remaining_s >= _MIN_ETA_S else ""
        texts.insert(0, f"{eta:<9}")
    return texts


def _rate(step_s: float) -> str:
    if 0 < step_s < 0.05:
        return f"{compact_number(round(1 / step_s))} steps/s"
    return f"{compact_duration(step_s)}/step"
