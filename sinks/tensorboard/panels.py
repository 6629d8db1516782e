"""The layout of TensorBoard's CUSTOM SCALARS tab."""

from __future__ import annotations

from tensorboard.plugins.custom_scalar.layout_pb2 import (
    Category,
    Chart,
    Layout,
    MultilineChartContent,
)

from .summaries import text

__all__ = ["layout"]

_TRAINING = ("loss", "reward", "kl", "entropy", "grad_norm", "learning_rate")

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


def layout() -> bytes:
    """Return the layout as a serialized `Summary`."""
    proto = Layout(
        category=[
            Category(title=title, chart=[_chart(*chart) for chart in charts.items()])
            for title, charts in _CHARTS.items()
        ]
    )
    return text("custom_scalars__config__", "custom_scalars", proto.SerializeToString())


def _chart(title: str, tags: str) -> Chart:
    return Chart(title=title, multiline=MultilineChartContent(tag=[tags]))
