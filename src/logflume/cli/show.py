"""`logflume show`: shows a summary of a run."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from logflume.cli.base import JsonOption, Mode, ModeOption, RunArgument, open_one
from logflume.cli.metric_rules import is_detail
from logflume.cli.metric_summaries import MetricSummary, summarize_metrics
from logflume.cli.metric_table import MetricColumn, MetricRow, metric_table
from logflume.cli.printing import (
    UNLIMITED_WIDTH,
    cell,
    console,
    duration_text,
    print_json,
)
from logflume.events.trainer_names import main_hyperparameters
from logflume.query.faults import read_faults
from logflume.terminal.cells import cell_len, shorten
from logflume.terminal.commands import command
from logflume.terminal.compact_numbers import number_text
from logflume.terminal.escape import escape, escape_lines

if TYPE_CHECKING:
    import rich.text

    from logflume.query.open_run import Run
    from logflume.query.summary import RunSummary

__all__ = ["MetricOption", "default_metrics", "show"]

_MAX_ALERTS = _MAX_FAULTS = 10
_MAX_METRICS = 30
_MAX_SETTINGS, _SETTINGS_LINES = 30, 3
_LABEL_WIDTH = 9
_MIN_ROOM = 20
_INTERVAL_S = 2.0

_COLUMNS = [
    MetricColumn("last", "bold"),
    *map(MetricColumn, ("best", "at step", "first", "min", "max")),
]

MetricOption = Annotated[
    list[str] | None,
    typer.Option(
        "--metric",
        metavar="GLOB",
        help="Only these metrics: a name or a pattern ('rewards/*'); may be repeated.",
        show_default=False,
    ),
]


def show(
    run: RunArgument = "latest",
    metric: MetricOption = None,
    mode: ModeOption = None,
    all_metrics: Annotated[
        bool,
        typer.Option("--all", help="All metrics, including counters, durations and details."),
    ] = False,
    live: Annotated[
        bool, typer.Option("--live", help="Update the summary until the run ends.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Show a run: its status, hyperparameters, metrics as sparklines, faults and alerts.

    Example: logflume show latest --metric 'rewards/*'
    """
    opened = open_one(run)
    if json:
        print_json(_read_as_json(opened.pinned(), metric or (), mode))
        return
    target = console(UNLIMITED_WIDTH)
    view = _View(metric or (), mode, all_metrics, target.width)
    if not live or not target.is_terminal:
        target.print(view.render(opened.pinned()), soft_wrap=True)
        return
    import rich.live

    with rich.live.Live(console=target, auto_refresh=False, vertical_overflow="crop") as display:
        try:
            is_running = True
            while is_running:
                now = opened.pinned()
                is_running = now.info.status == "running"
                display.update(view.render(now), refresh=True)
                if is_running:
                    time.sleep(_INTERVAL_S)
        except KeyboardInterrupt:
            pass  # the usual way to leave


def default_metrics(
    metrics: Mapping[str, MetricSummary], *, is_chosen: bool
) -> dict[str, MetricSummary]:
    """Return the metrics to show: all chosen ones; otherwise the first ones that matter.

    Args:
        metrics: The metrics, in the order in which they are shown.
        is_chosen: Whether the user has chosen them.
    """
    shown = {name: of_name for name, of_name in metrics.items() if not is_detail(name)}
    if not is_chosen:
        for name in ("rewards/total/mean", "eval/rewards/total/mean"):
            if name.replace("rewards/total/mean", "reward") in shown:
                shown.pop(name, None)  # the same numbers
    if is_chosen:
        return dict(metrics)
    return dict(list((shown or metrics).items())[:_MAX_METRICS])


def _read_as_json(run: Run, patterns: Sequence[str], mode: Mode | None) -> dict[str, Any]:
    import msgspec

    metrics = summarize_metrics(run, patterns, mode)
    return {
        "info": {
            **msgspec.to_builtins(run.info, builtin_types=(), enc_hook=str),
            "total_duration_s": run.total_duration_s,
        },
        "types": run.types(),
        "metrics": {name: of_name._asdict() for name, of_name in metrics.items()},
        "alerts": _read_alerts(run),
        "faults": read_faults(run),
    }


class _View:
    """Renders the summary of a run.

    Args:
        patterns: The metrics that the user has chosen; empty: those that matter most.
        mode: The mode; None: both.
        all_metrics: Whether to show all metrics.
        width: Width of the terminal, in columns.
    """

    def __init__(
        self, patterns: Sequence[str], mode: Mode | None, all_metrics: bool, width: int
    ) -> None:
        self._patterns = patterns
        self._mode: Mode | None = mode
        self._is_chosen = all_metrics or bool(patterns)
        self._width = width

    def render(self, run: Run) -> rich.text.Text:
        """Return the summary of a run."""
        import rich.text

        text = rich.text.Text()
        for name, value in _facts(run, self._width).items():
            text.append(f"{name:{_LABEL_WIDTH}}", style="dim").append(f"{value}\n")
        self._add_metrics(text, summarize_metrics(run, self._patterns, self._mode))
        counts = (f"{count:,} {escape(name)}" for name, count in sorted(run.types().items()))
        text.append(f"{'Events':{_LABEL_WIDTH}}", style="dim")
        text.append(_wrapped(", ".join(counts), self._width))
        for line in _fault_lines(read_faults(run)):
            fault = f"{'Fault':{_LABEL_WIDTH}}{_wrapped(line, self._width)}"
            text.append(f"\n{fault}", style="yellow")
        lines = _alert_lines(_read_alerts(run))
        for line in lines:
            alert = f"{'Alert':{_LABEL_WIDTH}}{_wrapped(line, self._width)}"
            text.append(f"\n{alert}", style="yellow")
        if lines:
            look = command("logflume", "diagnose", str(run.folder))
            which = "them" if len(lines) > 1 else "it"
            text.append(f"\n{'':{_LABEL_WIDTH}}{escape(look)} explains {which}", style="dim")
        return text

    def _add_metrics(self, text: rich.text.Text, metrics: Mapping[str, MetricSummary]) -> None:
        shown = default_metrics(metrics, is_chosen=self._is_chosen)
        if not shown:
            return
        rows = [_as_row(name, of_name) for name, of_name in shown.items()]
        text.append("\n").append_text(metric_table(rows, _COLUMNS, self._width)).append("\n")
        if hidden := [name for name in metrics if name not in shown]:
            names = ", ".join(map(escape, hidden[:3]))
            more = f"{len(hidden)} more, such as {names}: --all, or --metric 'GLOB'"
            text.append(f"{textwrap.fill(more, max(self._width, _MIN_ROOM))}\n", style="dim")
        text.append("\n")


def _wrapped(text: str, width: int) -> str:
    """Return a text for the space after a label, wrapped between words."""
    room = max(width - _LABEL_WIDTH, _MIN_ROOM)
    lines = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False)
    return f"\n{'':{_LABEL_WIDTH}}".join(lines)


def _facts(run: Run, width: int) -> dict[str, str]:
    """Return the known facts about a run, as text. Ids and paths are never shortened."""
    info = run.info
    room = max(width - _LABEL_WIDTH, _MIN_ROOM)
    versions = [f"{name} {value}" for name, value in info.versions.items() if name in _VERSIONS]
    facts = {
        "Run": f"{info.run}   ({info.folder})",
        "Status": info.status + (f" after {info.exception}" if info.exception else ""),
        "Attempt": f"{info.attempt}, after attempt{_earlier(info.attempt)}"
        if info.attempt
        else None,
        "Ranks": _ranks(info),
        "Started": cell(info.started),
        "Took": _duration(run, info),
        "Step": _step(info),
        "Host": " · ".join([info.host or "", *versions]).strip(" ·"),
        "Command": info.command,
        "Commit": info.git_commit,
        "Tags": ", ".join(info.tags),
        "Notes": info.notes,
        "Settings": _settings(info, room),
    }
    shown = {name: escape_lines(value) for name, value in facts.items() if value}
    return shown | {"Command": shorten(shown["Command"], room)} if "Command" in shown else shown


def _step(info: RunSummary) -> str:
    earlier = info.earlier_steps
    return cell(info.last_step) + (f"; {earlier}" if earlier else "")


def _earlier(attempt: int) -> str:
    """Return the numbers of the attempts before one, for the end of the word `attempt`."""
    return " 0" if attempt == 1 else f"s 0 to {attempt - 1}"


def _ranks(info: RunSummary) -> str | None:
    count = str(len(info.ranks)) if len(info.ranks) > 1 else None
    return f"{count or 1}; {info.rank_note}" if info.rank_note else count


_VERSIONS = ("torch", "transformers", "trl")


def _settings(info: RunSummary, room: int) -> str | None:
    """Return the hyperparameters that matter most, the user's own first, as far as they fit."""
    from logflume.runs.status import read_run_status

    known = info.hyperparameters
    own = read_run_status(info.folder).description.hyperparameters
    names = dict.fromkeys((*own, *main_hyperparameters(known)))
    chosen = [name for name in names if name in known][:_MAX_SETTINGS]
    texts = [f"{escape(name)} {_short(known[name])}" for name in chosen]
    lines = _joined(texts, room, len(known))
    return f"\n{'':{_LABEL_WIDTH}}".join(lines) or None


def _joined(texts: Sequence[str], room: int, count: int) -> list[str]:
    """Join texts to at most three lines, and add how many of `count` are left out."""
    for kept in range(len(texts), -1, -1):
        rest = [f"{count - kept} more with --json"] if count > kept else []
        lines = [""]
        for text in [*texts[:kept], *rest]:
            joined = f"{lines[-1]} · {text}" if lines[-1] else text
            if cell_len(joined) <= room or not lines[-1]:
                lines[-1] = joined
            else:
                lines.append(text)
        if len(lines) <= _SETTINGS_LINES:
            return lines
    return []


def _short(value: Any) -> str:
    return number_text(value) if type(value) in (int, float) else shorten(escape(str(value)), 30)


def _duration(run: Run, info: RunSummary) -> str:
    own, total = info.duration_s, run.total_duration_s
    if not info.attempt or total is None:
        return duration_text(own if own is not None else total)
    of_all = f"{duration_text(total)} in {info.attempt + 1} attempts"
    return of_all if own is None else f"{of_all}, the latest {duration_text(own)}"


def _read_alerts(run: Run) -> list[dict[str, Any]]:
    from logflume.query.columns import optional

    columns = ["step", "level", "signal", "message", *map(optional, ("severity", "over_since"))]
    return run.events("alert", columns=columns).to_pylist()


def _fault_lines(faults: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the last faults, each message once, with the step of its first report."""
    steps: dict[str, Any] = {}
    for fault in faults:
        steps.setdefault(escape(fault["message"]), fault.get("step"))
    lines = [text if step is None else f"step {step}: {text}" for text, step in steps.items()]
    return lines[-_MAX_FAULTS:]


def _alert_lines(alerts: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a line for each signal that raised alerts, with the message of the last one."""
    by_signal: dict[Any, list[Mapping[str, Any]]] = {}
    for alert in alerts:
        by_signal.setdefault(alert["signal"] or alert["message"], []).append(alert)
    latest = sorted(by_signal.values(), key=lambda some: _last_raised(some)["step"] or 0)
    return [_alert_line(some) for some in latest[-_MAX_ALERTS:]]


def _alert_line(alerts: Sequence[Mapping[str, Any]]) -> str:
    """Return the line of a signal; the alert that reports an end adds the last step to it."""
    count = sum(alert.get("over_since") is None for alert in alerts)
    shown, end = _last_raised(alerts), alerts[-1].get("over_since")
    until = "" if end in (None, shown["step"]) else f" to {cell(end)}"
    times = f" ({count} times since step {cell(alerts[0]['step'])})" if count > 1 else ""
    over = "" if end is None else " (over)"
    return f"step {cell(shown['step'])}{until}{over}: {cell(shown['message'])}{times}"


def _last_raised(alerts: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the last alert that reports a problem, not its end, if there is one."""
    raised = [alert for alert in alerts if alert.get("over_since") is None]
    return (raised or alerts)[-1]


def _as_row(name: str, metric: MetricSummary) -> MetricRow:
    cells = {
        "last": number_text(metric.last),
        "best": number_text(metric.best),
        "at step": cell(metric.best_step),
        "first": number_text(metric.first),
        "min": number_text(metric.min),
        "max": number_text(metric.max),
    }
    return MetricRow(name, metric.values, cells)
