"""`logflume compare`: compares runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import isclose
from string import ascii_uppercase
from typing import TYPE_CHECKING, Annotated, Any

import typer

from logflume.cli.base import JsonOption, ModeOption, complete_run, open_any
from logflume.cli.metric_rules import better_values
from logflume.cli.metric_summaries import (
    MetricSummary,
    merge_names,
    select_names,
    summarize_metrics,
)
from logflume.cli.metric_table import MetricColumn, MetricRow, print_metrics
from logflume.cli.printing import (
    UNLIMITED_WIDTH,
    cell,
    console,
    duration_text,
    echo,
    print_json,
)
from logflume.cli.show import MetricOption, default_metrics
from logflume.events.trainer_names import UNSET, is_incidental, main_hyperparameters
from logflume.exceptions import RunError
from logflume.terminal.cells import cell_len, pad, shorten
from logflume.terminal.charts import sparkline
from logflume.terminal.compact_numbers import number_text
from logflume.terminal.escape import escape

if TYPE_CHECKING:
    from logflume.query.open_run import Run
    from logflume.query.summary import RunSummary

__all__ = ["compare"]

_MIN_VALUE_WIDTH = 12
_MIN_LINE_WIDTH, _MAX_LINE_WIDTH = 8, 24
_BEST = "*"
_IN_THE_LINE_OF_A_RUN = frozenset({"last_step", "duration_s"})
_MAX_SETTINGS = 12

Summaries = Mapping[str, Sequence[MetricSummary | None]]
"""The metrics by name: one summary for each run, None if it doesn't have the metric."""


def compare(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN RUN …",
            help="Two or more runs: folders, ids, 'latest', or patterns: 'logs/*'.",
            autocompletion=complete_run,
        ),
    ],
    metric: MetricOption = None,
    mode: ModeOption = None,
    all_metrics: Annotated[
        bool, typer.Option("--all", help="All settings that differ, and all metrics.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Compare runs: the settings that differ, and the last value of each metric.

    If there is room, columns on the right show the difference between the last run and the first
    one, and the best value of each run.

    Example: logflume compare logs/20261123-141502-a1b2 latest --metric 'eval/*'
    """
    opened = _open(runs)
    infos = [run.info for run in opened]
    settings = _differences(infos)
    metrics = _merge([summarize_metrics(run, (), mode) for run in opened], metric or ())
    if json:
        print_json(
            {
                "runs": [info.run for info in infos],
                "settings": settings,
                "metrics": {
                    name: [one and one._asdict() for one in of_runs]
                    for name, of_runs in metrics.items()
                },
            }
        )
        return
    letters = _letters(len(opened))
    _print_runs(infos, letters)
    shown = settings if all_metrics else _informative(settings, infos)
    _print_settings(shown, letters)
    if len(shown) < len(settings):
        echo(f"{len(settings) - len(shown)} more: --all")
    _print_metrics(metrics, letters, is_chosen=all_metrics or bool(metric))


def _open(texts: Sequence[str]) -> list[Run]:
    """Open the runs in the given order, each once, unless all of them are the same run.

    Raises:
        RunError: A run doesn't exist, or there are fewer than two.
    """
    from logflume.query.open_run import Run

    opened: list[Run] = []
    for text in texts:
        of_text = open_any(text)
        opened += [of_text] if isinstance(of_text, Run) else of_text
    if len(opened) < 2:
        raise RunError(f"{' '.join(texts)}: compare takes two runs or more, or a pattern: 'logs/*'")
    unique = list({run.folder.resolve(): run for run in opened}.values())
    return unique if len(unique) > 1 else opened


def _letters(count: int) -> list[str]:
    """Return a short name for each run: A to Z, then A2 and so on."""
    return [
        ascii_uppercase[number % 26] + (str(number // 26 + 1) if number >= 26 else "")
        for number in range(count)
    ]


def _differences(infos: Sequence[RunSummary]) -> dict[str, list[Any]]:
    """Return the hyperparameters, versions and other settings that differ, by name."""
    settings = []
    for info in infos:
        versions = {f"version of {name}": value for name, value in info.versions.items()}
        settings.append(
            {
                **info.hyperparameters,
                **versions,
                "git_commit": info.git_commit,
                "host": info.host,
                "last_step": info.last_step,
                "duration_s": info.duration_s,
            }
        )
    names = dict.fromkeys(name for of_run in settings for name in of_run)
    values = {name: [of_run.get(name) for of_run in settings] for name in names}
    return {name: some for name, some in values.items() if any(one != some[0] for one in some)}


def _informative(
    settings: Mapping[str, Sequence[Any]], infos: Sequence[RunSummary]
) -> dict[str, Sequence[Any]]:
    """Return a few settings: the most informative ones.

    Left out are folders and names, which always differ, unset values, which have several notations,
    and what the line of each run has already. The user's own settings come first, then the
    trainer's main ones, then those that all runs have.
    """
    from logflume.runs.status import read_run_status

    own = {name for i in infos for name in read_run_status(i.folder).description.hyperparameters}
    main = main_hyperparameters(dict.fromkeys(settings, True))

    def rank(name: str) -> tuple[bool, bool, bool]:
        return name not in own, name not in main, any(one is None for one in settings[name])

    informative = [
        name
        for name, values in settings.items()
        if name not in _IN_THE_LINE_OF_A_RUN
        and not is_incidental(name)
        and len({_setting(value) for value in values}) > 1
    ]
    return {name: settings[name] for name in sorted(informative, key=rank)[:_MAX_SETTINGS]}


def _merge(
    summaries: Sequence[Mapping[str, MetricSummary]], patterns: Sequence[str]
) -> dict[str, list[MetricSummary | None]]:
    names = select_names(merge_names(summaries), patterns)
    return {name: [of_run.get(name) for of_run in summaries] for name in names}


def _print_runs(infos: Sequence[RunSummary], letters: Sequence[str]) -> None:
    longest = max(cell_len(escape(info.run)) for info in infos)
    for letter, info in zip(letters, infos, strict=True):
        facts = [info.status, f"step {cell(info.last_step)}" if info.last_step is not None else ""]
        facts.append(duration_text(info.duration_s))
        echo(f"{letter}  {pad(info.run, longest)}  {', '.join(fact for fact in facts if fact)}")


def _print_settings(settings: Mapping[str, Sequence[Any]], letters: Sequence[str]) -> None:
    if not settings:
        return
    target = console(UNLIMITED_WIDTH)
    names = [escape(name) for name in settings]
    name_width = min(max(map(cell_len, names)), max(target.width // 3, 20))
    room = (target.width - name_width) // len(letters) - 2
    texts = [[_setting(value) for value in values] for values in settings.values()]
    widths = [max(map(cell_len, column)) for column in zip(*texts, strict=True)]
    widths = [min(max(width, 1), max(room, _MIN_VALUE_WIDTH)) for width in widths]
    for some in _fitting(widths, target.width - name_width):
        echo(f"\n{'setting':{name_width}}" + _in_columns(letters[some], widths[some]))
        for name, of_runs in zip(names, texts, strict=True):
            if any(of_runs[some]) or not any(of_runs):
                shown = _in_columns(of_runs[some], widths[some])
                echo(pad(shorten(name, name_width), name_width) + shown)


def _fitting(widths: Sequence[int], room: int) -> Iterator[slice]:
    """Yield groups of columns that fit next to each other, with at least one column each."""
    start, left = 0, room
    for index, width in enumerate(widths):
        if index > start and width + 2 > left:
            yield slice(start, index)
            start, left = index, room
        left -= width + 2
    yield slice(start, len(widths))


def _in_columns(texts: Sequence[str], widths: Sequence[int]) -> str:
    pairs = zip(texts, widths, strict=True)
    return "".join(f"  {pad(shorten(text, width), width)}" for text, width in pairs).rstrip()


def _setting(value: Any) -> str:
    text = number_text(value) if type(value) in (int, float) else cell(value)
    return "" if text in UNSET else text


def _print_metrics(metrics: Summaries, letters: Sequence[str], *, is_chosen: bool) -> None:
    anywhere = {name: next(one for one in some if one) for name, some in metrics.items()}
    shown = default_metrics(anywhere, is_chosen=is_chosen)
    if not shown:
        return
    rows = [_as_row(name, metrics[name], letters) for name in shown]
    extra = [_change(letters), *(f"best {letter}" for letter in letters)]
    _add_sparklines(rows, metrics, letters)
    for some in _batches(letters, rows):
        echo("")
        columns = [MetricColumn(letter, "bold") for letter in some]
        of_some = [row for row in rows if any(row.cells[letter] for letter in some)]
        print_metrics(of_some, [*columns, *map(MetricColumn, extra if some == letters else ())])
    if any(row.cells[letter].endswith(_BEST) for row in rows for letter in letters):
        echo(f"{_BEST} best of these runs")
    if len(shown) < len(metrics):
        echo(f"{len(metrics) - len(shown)} more: --all, or --metric 'GLOB'")


def _add_sparklines(rows: Sequence[MetricRow], metrics: Summaries, letters: Sequence[str]) -> None:
    """Put each run's sparkline before its number, if there is room for all of them."""
    number_width = 2 + max(len(row.cells[letter]) for row in rows for letter in letters)
    room = console(UNLIMITED_WIDTH).width - max(cell_len(escape(row.name)) for row in rows)
    line_width = (room - number_width * (len(letters) + 1)) // len(letters) - 1
    if line_width < _MIN_LINE_WIDTH:
        return
    for row in rows:
        for letter, summary in zip(letters, metrics[row.name], strict=True):
            if summary:
                line = sparkline(summary.values, min(line_width, _MAX_LINE_WIDTH))
                number = f"{row.cells[letter]:>{number_width - 2}}"
                row.cells[letter] = f"{line} {number}"


def _batches(letters: Sequence[str], rows: Sequence[MetricRow]) -> list[Sequence[str]]:
    """Divide the runs so that the columns of each batch fit the terminal."""
    cell_width = 2 + max(len(row.cells[letter]) for row in rows for letter in letters)
    room = console(UNLIMITED_WIDTH).width - max(cell_len(escape(row.name)) for row in rows)
    count = max(room // cell_width, 3)
    return [letters[start : start + count] for start in range(0, len(letters), count)]


def _change(letters: Sequence[str]) -> str:
    return f"{letters[-1]} - {letters[0]}"


def _as_row(
    name: str, of_runs: Sequence[MetricSummary | None], letters: Sequence[str]
) -> MetricRow:
    cells = {}
    for letter, summary in zip(letters, of_runs, strict=True):
        cells[letter] = number_text(summary.last if summary else None)
        cells[f"best {letter}"] = number_text(summary.best if summary else None)
    first, last = of_runs[0], of_runs[-1]
    cells[_change(letters)] = _difference(last.last, first.last) if first and last else ""
    # A loss has no best value in the runs that train a policy on rewards.
    rated = {
        letter: summary.last
        for letter, summary in zip(letters, of_runs, strict=True)
        if summary and summary.best is not None
    }
    if len({cells[letter] for letter in rated}) > 1:
        best = max(rated.values()) if better_values(name) == "higher" else min(rated.values())
        for letter in letters:
            is_best = letter in rated and cells[letter] == number_text(best)
            cells[letter] += _BEST if is_best else " " if cells[letter] else ""
    return MetricRow(name, (), cells)


def _difference(value: float, other: float) -> str:
    """Return a difference as text; one that is due to rounding is 0."""
    return number_text(0.0 if isclose(value, other) else value - other)
