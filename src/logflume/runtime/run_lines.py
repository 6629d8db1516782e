"""The lines on the console about the run itself: where it is, and how it ended."""

from __future__ import annotations

import sys
import time

from logflume.config.model import Config, SinkConfig
from logflume.config.registry import SINKS, find, is_journal_sink
from logflume.events.reserved import LEVELS
from logflume.guard import call_guarded
from logflume.pipeline.pipeline import Report, Status
from logflume.runs.info import RunInfo
from logflume.runs.state import RunState
from logflume.terminal.commands import command, short_path
from logflume.terminal.compact_numbers import compact_duration
from logflume.terminal.escape import escape_lines
from logflume.terminal.streams import print_above_bars

__all__ = ["console_sinks", "print_end", "print_start", "shows_training"]


def console_sinks(config: Config, logger: str | None = None) -> list[SinkConfig]:
    """Return the sinks that print to standard error: those of a logger, or all."""
    names = list(config.sinks)
    if logger is not None:
        own = config.loggers.get(logger, config.root).sinks
        names = (config.root.sinks if own is None else own) or []
    return [config.sinks[name] for name in names if _prints(config.sinks[name])]


def _prints(sink: SinkConfig) -> bool:
    return sink.type == "console" and "path" not in sink.options


def shows_training(config: Config, run: RunInfo) -> bool:
    """Whether the console of this process shows the metrics of training."""
    if run.rank != 0 or run.process is not None:
        return False
    info = LEVELS["info"]
    return LEVELS[config.loggers.get("training", config.root).level.lower()] <= info and any(
        LEVELS[sink.level.lower()] <= info and (sink.events is None or "training" in sink.events)
        for sink in console_sinks(config, "training")
    )


def print_start(config: Config, run: RunInfo) -> None:
    """Print which run begins, where it is, what is recorded, and how to look at it."""
    if not shows_training(config, run):
        return
    folder = short_path(run.folder)
    look = f"look at it with `{command('logflume', 'show', folder)}`"
    attempt = f", attempt {run.attempt}" if run.attempt else ""
    _print(
        f"run {run.run}{attempt}, in {folder}",
        f"records {_outputs(config)}; times are {_zone()}",
        *([look] if _has_journal(config) else []),
    )


def print_end(config: Config, run: RunInfo, state: RunState, status: Status) -> None:
    """Print how a run ended, how many events there are and were dropped, and what to do next."""
    if not shows_training(config, run):
        return
    report, took_s = status.report, status.duration_s
    if took_s is None:  # not all was written, so there is no `run_finished`
        took_s = (time.time_ns() - state.started_ns) / 1e9
    following = f"next: `{command('logflume', 'show', short_path(run.folder))}`"
    events = f"{report.written:,} event{'' if report.written == 1 else 's'} written"
    dropped = sum(sink["dropped"] for sink in report.sinks.values()) + report.dropped
    _print(
        f"{state.status} after {compact_duration(max(0.0, took_s))}: {events}, "
        f"{f'{dropped:,}' if dropped else 'none'} dropped",
        *_describe_alerts(run, report),
        *([following] if _has_journal(config) else []),
    )


def _describe_alerts(run: RunInfo, report: Report) -> list[str]:
    """Return a line that names the signals of the run's alerts, if there are any."""
    if not report.alerts:
        return []
    look = command("logflume", "diagnose", short_path(run.folder))
    return [f"alerts: {', '.join(report.alerts)}; explained by `{look}`"]


def _zone() -> str:
    """Return the local time zone, in which the console shows times."""
    name, offset = time.strftime("%Z"), time.strftime("%z")
    return name if name == "UTC" else f"{name} (UTC{offset[:3]}:{offset[3:]})"


def _has_journal(config: Config) -> bool:
    return any(is_journal_sink(name, config.sinks[name]) for name in config.used_sinks())


def _outputs(config: Config) -> str:
    """Return what is written to files, in the order of the configuration."""
    used = {name: config.sinks[name] for name in config.used_sinks()}
    titles = [_title(name, sink) for name, sink in used.items() if not _prints(sink)]
    return ", ".join(dict.fromkeys(titles)) or "nothing: no sink writes a file"


def _title(name: str, sink: SinkConfig) -> str:
    """Return what a sink's class calls its output; else its type in the configuration."""
    component = find(SINKS, sink.type, f"sinks.{name}") if sink.instance is None else sink.instance
    title = call_guarded(getattr, component, "title", None)
    return title if isinstance(title, str) else sink.type


def _print(*lines: str) -> None:
    text = "".join(f"logflume: {escape_lines(line)}\n" for line in lines)
    call_guarded(print_above_bars, sys.stderr, text)
