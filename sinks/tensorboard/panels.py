"""The layout of TensorBoard's CUSTOM SCALARS tab."""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import dataclass

from tensorboard.plugins.custom_scalar.layout_pb2 import (
    Category,
    Chart,
    Layout,
    MultilineChartContent,
)

from logflume.protocols import Event
from logflume.values.kinds import SCALAR_TYPES

from .summaries import text
from .tags import tag_of

__all__ = ["Panels"]

_TRAINING = ("loss", "reward", "kl", "entropy", "grad_norm", "learning_rate")

_MAX_SHAPES = 256
"""Sets of names that are remembered as known."""

# By category and chart: a regular expression that matches the tags of its curves.
_CHARTS = {
    "Rewards": {
        "mean of each reward": r"rewards/.*/mean$",
        "standard deviation of each reward": r"rewards/.*/std$",
        "share of groups with zero standard deviation": r"rewards/.*/frac_zero_std$",
        "mean of each reward, evaluation": r"eval/rewards/.*/mean$",
    },
    "Training": {name: rf"(train|eval)/{name}$" for name in _TRAINING},
    "Completions": {
        "length in tokens": r"train/completions/(mean|min|max)_length$",
        "length of terminated completions": r"train/completions/(mean|min|max)_terminated_length$",
        "share truncated at the length limit": r"train/completions/clipped_ratio$",
    },
    "System": {
        "CPU in percent": r"system/(process_)?cpu_percent$",
        "memory in bytes": r"system/(process_memory|memory_used)_bytes$",
    },
    "GPU": {
        "utilization in percent": r"(system|train)/gpu/.*/utilization_percent$",
        "memory in bytes": r"(system|train)/gpu/.*/(memory_used|process_memory)_bytes$",
        "temperature in degrees Celsius": r"(system|train)/gpu/.*/temperature_celsius$",
        "power in watts": r"(system|train)/gpu/.*/power_watts$",
    },
}


_PATTERNS = frozenset(pattern for charts in _CHARTS.values() for pattern in charts.values())

_Shape = tuple[str, str | None, tuple[str, ...]]


@dataclass
class Panels:
    """The charts for which the run has curves, so that none is empty.

    Attributes:
        is_changed: Whether there are charts that the latest layout doesn't have.
    """

    is_changed: bool = False
    _patterns: frozenset[str] = frozenset()
    _shapes: frozenset[_Shape] = frozenset()

    def note(self, event: Event) -> None:
        """Add the charts of an event's numbers."""
        names = tuple(name for name, value in event.items() if type(value) in SCALAR_TYPES)
        shape = (event["event"], event.get("mode"), names)
        if shape in self._shapes:
            return
        self._shapes = frozenset((*self._shapes, shape) if len(self._shapes) < _MAX_SHAPES else ())
        tags = [tag for name in names if (tag := tag_of(*shape[:2], name))]
        patterns = self._patterns.union(p for p in _PATTERNS if any(re.match(p, t) for t in tags))
        self.is_changed |= patterns != self._patterns
        self._patterns = patterns

    def take(self) -> bytes:
        """Return the layout as a serialized `Summary`; TensorBoard shows the latest one."""
        self.is_changed = False
        return _layout(self._patterns)


def _layout(patterns: Container[str]) -> bytes:
    categories = []
    for title, charts in _CHARTS.items():
        shown = [_chart(name, tags) for name, tags in charts.items() if tags in patterns]
        if shown:
            categories.append(Category(title=title, chart=shown))
    proto = Layout(category=categories)
    return text("custom_scalars__config__", "custom_scalars", proto.SerializeToString())


def _chart(title: str, tags: str) -> Chart:
    return Chart(title=title, multiline=MultilineChartContent(tag=[tags]))
