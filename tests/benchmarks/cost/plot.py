"""The plot of the times to log a step: median, 99th and 99.9th percentile of each peer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks.cost.plan import GIL_BUSY
from tests.benchmarks.peers.peer_list import BASELINE, OURS

__all__ = ["draw"]

_OURS, _OTHERS = "#c2410c", "#475569"


def draw(measurements: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw the latencies at 1,000 steps per second while another thread holds the GIL.

    Args:
        measurements: The costs of all peers; the baseline is one of them.
        path: The PNG file to write.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.ticker import FuncFormatter

    entries = [entry for entry in measurements if entry["label"] == GIL_BUSY and entry["p50_us"]]
    baseline_us = next(entry["p50_us"] for entry in entries if entry["peer"] == BASELINE)
    entries.sort(key=lambda entry: float(entry["p50_us"]), reverse=True)
    figure, axes = plt.subplots(figsize=(9, 0.42 * len(entries) + 1.6), layout="constrained")
    for position, entry in enumerate(entries):
        colour = _OURS if entry["peer"] == OURS else _OTHERS
        shown = [
            (key, entry[key] / baseline_us) for key in ("p50_us", "p99_us", "p999_us") if entry[key]
        ]
        times = [value for _, value in shown]
        axes.plot(times, [position] * len(times), color=colour, linewidth=2.5, alpha=0.45, zorder=1)
        for key, value in shown:
            fill = {"p50_us": colour, "p99_us": "white", "p999_us": "white"}[key]
            marker = {"p50_us": "o", "p99_us": "o", "p999_us": "D"}[key]
            axes.scatter(
                value, position, marker=marker, facecolor=fill, edgecolor=colour, zorder=2, s=36
            )
    axes.set_xscale("log")
    axes.set_yticks(range(len(entries)), [entry["peer"] for entry in entries])
    for label in axes.get_yticklabels():
        if label.get_text() == OURS:
            label.set(color=_OURS, fontweight="bold")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g} ×"))
    axes.grid(axis="x", color="#e2e8f0")
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("time to log a step, relative to the baseline's median")
    axes.set_title(
        "1,000 steps per second while a Python thread holds the GIL\n"
        "● median   ○ 99%   ◇ 99.9% (if there are enough steps)",
        loc="left",
        fontsize=10,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
    plt.close(figure)
