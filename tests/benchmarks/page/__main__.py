"""Measures the page on large runs: `make bench-ui`, or `make bench-ui QUICK=1`.

    python -m tests.benchmarks.page --dir logs-ui [--quick] [--no-training]

It makes the runs that don't exist yet in the folder (3 GB; with `--quick`, 0.3 GB), starts a server
for each measurement, and prints what its first answers cost. CPU and wall time are those from the
first request of the cold server to the last byte. In the last measurement a browser, Chromium, has
the page open, on the cores of the training.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

from tests.benchmarks.page.runs import FULL, NEEDLES, QUICK, Folders, make
from tests.benchmarks.page.server import Answer, Server, serve

_STATIC = Path(__file__).parents[3] / "src" / "logflume" / "ui" / "static"
_GROUPS = 60
_ENOUGH_HITS = 50
_MAX_PEAK_BYTES = 300e6
_PAIRS, _QUICK_PAIRS = 15, 3


class Row(NamedTuple):
    """One line of the table.

    Attributes:
        what: What was measured.
        target: The target.
        measured: The result.
        is_met: Whether it meets the target.
    """

    what: str
    target: str
    measured: str
    is_met: bool


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--dir", type=Path, default=Path("logs-ui"), help="folder of the runs")
    parser.add_argument("--quick", action="store_true", help="smaller runs, fewer repetitions")
    parser.add_argument("--no-training", action="store_true", help="omit the training")
    options = parser.parse_args()
    folders = make(options.dir.resolve(), QUICK if options.quick else FULL)
    peaks: list[tuple[str, int]] = []
    print(f"{'what':58} {'target':26} measured")
    for row in _rows(folders, peaks):
        _show(row)
    name, peak = max(peaks, key=lambda one: one[1])
    measured = f"{peak / 1e6:.0f} MB ({name})"
    _show(Row("memory of the server, at most", "≤ 300 MB", measured, peak <= _MAX_PEAK_BYTES))
    if not options.no_training:
        _show(_training(_QUICK_PAIRS if options.quick else _PAIRS))


def _rows(folders: Folders, peaks: list[tuple[str, int]]) -> Iterator[Row]:
    measures: list[tuple[Path, Sequence[Callable[[Server, str], Row]]]] = [
        (folders.completions, [_first_view]),
        (folders.completions, [_groups, _prompts]),
        *((folders.completions, [one]) for one in (_common, _rare, _missing, _everywhere)),
        (folders.events, [_curves]),
        (folders.runs, [_list]),
        (folders.ranks, [_ranks]),
    ]
    for folder, of_folder in measures:
        with serve(folder) as server:
            for measure in of_folder:
                yield measure(server, folder.name)
            peaks.append((folder.name, server.peak_bytes()))


def _first_view(server: Server, run: str) -> Row:
    """The files of the page, and the answers of the view of a run."""
    files = [path.relative_to(_STATIC).as_posix() for path in _STATIC.rglob("*")]
    shown = [name for name in files if name.endswith((".html", ".js", ".css", ".svg"))]
    total = _sum([server.get(name) for name in shown] + _view_of_run(server, run))
    is_met = _is_within(total, 1) and total.wire_bytes <= 300_000
    measured = f"{_times(total)}, {total.wire_bytes / 1e3:.0f} kB"
    return Row("first view of a run of many completions", "≤ 1 s, ≤ 300 kB", measured, is_met)


def _view_of_run(server: Server, run: str) -> list[Answer]:
    return [server.get(f"api/{name}", run=run) for name in ("versions", "run", "curves", "alerts")]


def _groups(server: Server, run: str) -> Row:
    differences = server.get("api/steps", run=run).json()["modes"]["train"]
    found = list(accumulate(differences))
    steps = found[:: max(1, len(found) // _GROUPS)]
    answers = [server.get("api/groups", run=run, step=step) for step in steps]
    p95_wall_s, p95_cpu_s = (
        sorted(times)[int(0.95 * (len(times) - 1))]
        for times in ([one.wall_s for one in answers], [one.cpu_s for one in answers])
    )
    measured = f"{p95_cpu_s * 1e3:.0f} ms CPU, {p95_wall_s * 1e3:.0f} ms wall"
    return Row(
        "a step's groups, 95th percentile", "≤ 300 ms", measured, max(p95_cpu_s, p95_wall_s) <= 0.3
    )


def _prompts(server: Server, run: str) -> Row:
    answer = server.get("api/prompts", run=run)
    return Row("the list of prompts", "none", _times(answer), is_met=True)


def _common(server: Server, run: str) -> Row:
    return _search(server, run, "zyzzyva", f"a text in 1 of {NEEDLES['zyzzyva']:,}", 1)


def _rare(server: Server, run: str) -> Row:
    return _search(server, run, "quagga", f"a text in 1 of {NEEDLES['quagga']:,}", 5)


def _missing(server: Server, run: str) -> Row:
    return _search(server, run, "xylyl", "a text that is nowhere", 5)


def _everywhere(server: Server, run: str) -> Row:
    return _search(server, run, "reasoning", "a text that is everywhere", 1)


def _search(server: Server, run: str, text: str, what: str, target_s: float) -> Row:
    answer = server.get("api/search", run=run, search=text)
    hits = answer.content.count(b'"text":')
    measured = f"{_times(answer)}, {hits} hits"
    name = f"search, the first {_ENOUGH_HITS} hits, {what}"
    return Row(name, f"≤ {target_s:.0f} s", measured, _is_within(answer, target_s))


def _curves(server: Server, run: str) -> Row:
    answer = server.get("api/curves", run=run)
    curves = answer.json()["curves"]
    points = max(len(steps) for modes in curves.values() for steps, _ in modes.values())
    measured = f"{_times(answer)}, {points} points"
    is_met = _is_within(answer, 1) and points <= 2_000
    return Row("curves of a run of many events", "≤ 1 s, ≤ 2,000 points", measured, is_met)


def _list(server: Server, _: str) -> Row:
    answer = server.get("api/runs")
    measured = f"{_times(answer)}, {len(answer.json()['runs']):,} runs"
    return Row("the list of many runs", "≤ 1 s", measured, _is_within(answer, 1))


def _ranks(server: Server, _: str) -> Row:
    (run,) = [row["run"] for row in server.get("api/runs").json()["runs"]]
    total = _sum(_view_of_run(server, run))
    return Row("first view of a run of many ranks", "≤ 4 s", _times(total), _is_within(total, 4))


def _training(pairs: int) -> Row:
    """The ratio of step times, in a process of its own, because it imports torch."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder, "result.json")
        command = [sys.executable, "-m", "tests.benchmarks.page.training", str(pairs), str(result)]
        with Path(folder, "output").open("wb") as output:
            subprocess.run(command, check=True, stdout=output, stderr=subprocess.STDOUT)
        ratio = json.loads(result.read_text())
    low, middle, high = (
        f"{(ratio[name] - 1) * 100:+.1f}" for name in ("ratio_low", "ratio", "ratio_high")
    )
    measured = f"{middle}% (95% interval: {low} to {high}%), step {ratio['step_s'] * 1e3:.0f} ms"
    return Row("training beside the open page", "≤ +1%", measured, ratio["ratio"] <= 1.01)


def _is_within(answer: Answer, target_s: float) -> bool:
    return max(answer.cpu_s, answer.wall_s) <= target_s


def _sum(answers: Sequence[Answer]) -> Answer:
    wall_s, cpu_s, wire_bytes = (sum(values) for values in list(zip(*answers, strict=True))[:3])
    return Answer(wall_s, cpu_s, int(wire_bytes), b"")


def _times(answer: Answer) -> str:
    return f"{answer.cpu_s:.2f} s CPU, {answer.wall_s:.2f} s wall"


def _show(row: Row) -> None:
    print(
        f"{row.what:58} {row.target:26} {'' if row.is_met else 'MISSED: '}{row.measured}",
        flush=True,
    )


if __name__ == "__main__":
    main()
