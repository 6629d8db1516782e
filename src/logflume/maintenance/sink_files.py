"""The outputs of a run: where they are, how they are opened, and what belongs in them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from logflume.config.load import load_config
from logflume.config.model import Config, SinkConfig
from logflume.config.registry import SINKS, check_options, find
from logflume.events.reserved import LEVELS
from logflume.exceptions import ConfigError, RunError
from logflume.formats.journal import is_of, read_journal_lines
from logflume.guard import Failure, call_guarded, describe
from logflume.pipeline.build import build_router, build_sink, is_journal
from logflume.protocols import Event
from logflume.runs.files import Writer
from logflume.runs.info import RunInfo
from logflume.runs.lock import claim, find_holder

__all__ = [
    "KINDS",
    "SinkFile",
    "expand",
    "find_sink_files",
    "has_all_events",
    "hold",
    "identify",
    "is_known",
    "load_configs",
    "write_to",
]


_SUFFIX = re.compile(r"(?:-attempt(\d+))?(?:-(pid\d+(?:-\d+)?))?(?:-rank(\d+))?")

_LOOKED_AT = 100

_GIVEN = ("run", "metrics", "events")
"""What sinks are given beside their options."""


def identify(writer: Writer) -> RunInfo | None:
    """Return who has written a journal; None where no event tells.

    The first events tell the run and the rank: most of them, for some may be damaged.
    """
    first = islice(read_journal_lines(writer, None), _LOOKED_AT)
    owners = Counter((e.event["run"], e.event["rank"]) for e in first if e.event is not None)
    if not owners:
        return None
    (run, rank), _ = owners.most_common(1)[0]
    match = _SUFFIX.fullmatch(writer.suffix)
    attempt, process = (match[1], match[2]) if match else (None, None)
    return RunInfo(
        run=run,
        rank=rank,
        attempt=int(attempt or 0),
        dir=writer.folder.parent,
        process=process,
        apart=attempt is not None,
    )


def expand(folder: Path, run: RunInfo, pattern: str) -> Path:
    """Fill a path of the configuration; the folder may have been moved or renamed since."""
    here = msgspec.structs.replace(run, run=folder.name, dir=folder.parent)
    return here.expand(pattern)


def load_configs(writer: Writer, run: RunInfo) -> dict[int, Config]:
    """Return the configurations by attempt, as far as the journal tells."""
    configs: dict[int, Config] = {}
    is_only_one = run.apart or _has_one_attempt(writer)
    for entry in read_journal_lines(writer, run, is_wanted=is_of("run_started")):
        event = entry.event
        if event is None or event["event"] != "run_started" or event.get("config") is None:
            continue
        try:
            config = msgspec.json.decode(event["config"], type=Config)
        except msgspec.MsgspecError:
            continue  # of another version, or changed by a processor
        if _is_usable(config):
            configs[event["attempt"]] = config
        if is_only_one:
            break
    return configs


def _is_usable(config: Config) -> bool:
    """Whether its sinks can be built: damage leaves some texts valid JSON."""
    loggers = (config.root, *config.loggers.values())
    names = {name for logger in loggers for name in logger.sinks or []}
    try:
        for name, sink in config.sinks.items():
            if is_known(sink):
                factory = find(SINKS, sink.type, "sinks")
                check_options(factory, sink.options, _GIVEN, f"sinks.{name}")
    except ConfigError:
        return False
    return names <= set(config.sinks)


def _has_one_attempt(writer: Writer) -> bool:
    try:
        return writer.state is not None and writer.state.attempt == 0
    except RunError:
        return False  # the file is damaged


def has_all_events(config: Config) -> bool:
    """Whether all events go to the journal: only then a gap in `seq` is a loss."""
    for logger in (config.root, *config.loggers.values()):
        names = config.root.sinks if logger.sinks is None else logger.sinks
        if not any(_takes_all(config.sinks[name], logger.level) for name in names or []):
            return False
    return True


def is_known(sink: SinkConfig) -> bool:
    """Whether a sink can be built here: it is no object, and its kind is installed."""
    if sink.instance is not None:
        return False
    try:
        find(SINKS, sink.type, "sinks")
    except ConfigError:
        return False
    return True


def _takes_all(sink: SinkConfig, level: str) -> bool:
    return (
        is_known(sink)
        and is_journal(find(SINKS, sink.type, "sinks"))
        and sink.events is None
        and LEVELS[sink.level.lower()] <= LEVELS[level.lower()]
    )


@contextmanager
def hold(folder: Path, writers: Sequence[Writer]) -> Iterator[None]:
    """Keep everybody else from writing a run within the block.

    Raises:
        RunError: The run is being written.
    """
    suffixes = {"", *(w.suffix for w in writers if "-pid" not in w.suffix)}
    with ExitStack() as stack:
        for path in sorted(folder / f"run{suffix}.lock" for suffix in suffixes):
            taken = claim(path)
            if taken is None:
                raise RunError(_refusal(folder, path))
            stack.callback(taken.release)
        yield


def _refusal(folder: Path, path: Path) -> str:
    holder = find_holder(path)
    who = f"process {holder.pid} on {holder.host}" if holder else "another process"
    return (
        f"{folder}: {who} is writing this run (its lock: {path}). "
        "Wait until it has ended, or make outputs elsewhere: logflume replay … --out FOLDER"
    )


KINDS = ("csv", "parquet", "tensorboard", "console", "jsonl")
"""Registered kinds of sinks that can be made anew; `console` is a log file."""


class SinkFile:
    """What one sink writes for one writer of a run.

    Args:
        name: The sink's name in `latest`.
        run: Who writes it.
        folder: The run's folder, resolved.
        configs: The configuration of each attempt.
        latest: The latest that has this output.
        is_expected: Whether the run should have it; else it may have got it later.

    Attributes:
        kind: The registered kind.
        run: As given.
        path: The file or folder.
        label: The path as messages name it: within the run's folder.
        is_shared: Whether it lies outside of the run's folder, and other runs may write it, too.
        is_expected: As given.
        attempts: The attempts whose configuration has it; 0 where none has.
    """

    def __init__(
        self,
        name: str,
        run: RunInfo,
        folder: Path,
        configs: Mapping[int, Config],
        latest: Config,
        is_expected: bool = True,
    ) -> None:
        self.run = run
        self.kind = latest.sinks[name].type
        self.path = expand(folder, run, str(latest.sinks[name].options["path"]))
        self.is_shared = not self.path.is_relative_to(folder)
        self.label = str(self.path if self.is_shared else self.path.relative_to(folder))
        self.is_expected = is_expected
        self._latest = _Source(name, latest)
        self._sources = {
            attempt: _Source(found, config)
            for attempt, config in sorted(configs.items())
            if (found := _find_sink(config, folder, run, self.path)) is not None
        }
        self.attempts = list(self._sources) or [0]

    def wants(self, event: Event) -> bool:
        """Whether an event belongs here.

        That is for the configuration of its attempt to say. An attempt without this output is
        filled in by later ones that have it, as the latest of these says.
        """
        attempt = event["attempt"]
        if self._sources and attempt > self.attempts[-1]:
            return False
        return self._source(attempt).wants(event)

    def open(self, path: Path | None = None, of_attempt: int | None = None) -> Any:
        """Build the sink.

        Args:
            path: Where it writes; None: here.
            of_attempt: The attempt whose events it will be given; None: the latest.

        Raises:
            ConfigError: It doesn't take its options.
            RunError: What it writes to can't be opened.
        """
        of_attempt = self.attempts[-1] if of_attempt is None else of_attempt
        run = msgspec.structs.replace(self.run, attempt=of_attempt)
        return self._source(of_attempt).build(run, path or self.path)

    def _source(self, attempt: int) -> _Source:
        return self._sources.get(attempt, self._latest)


class _Source:
    """A sink of one configuration."""

    def __init__(self, name: str, config: Config) -> None:
        self._name = name
        self._config = config
        self._router = build_router(config, {name: name for name in config.sinks})

    def wants(self, event: Event) -> bool:
        return self._name in self._router.targets(event)

    def build(self, run: RunInfo, path: Path) -> Any:
        given = {"run": run, "metrics": self._config.metrics}
        return build_sink(self._name, self._config.sinks[self._name], given, path)


def find_sink_files(run: RunInfo, folder: Path, configs: Mapping[int, Config]) -> list[SinkFile]:
    """Return the outputs of a writer, those of the default configuration included.

    Of these only the kinds that its own configuration has not: a run may get an output later.
    """
    default = load_config("default")
    own: dict[Path, SinkFile] = {}
    for _, config in sorted(configs.items(), reverse=True):
        for name in _with_files(config):
            output = SinkFile(name, run, folder, configs, config)
            own.setdefault(output.path, output)
    has = {output.kind for output in own.values()}
    more = [SinkFile(name, run, folder, {}, default, False) for name in _with_files(default)]
    return [*own.values(), *(output for output in more if output.kind not in has)]


def write_to(sink: Any, events: Sequence[Event], label: str) -> None:
    """Write events to a sink.

    Args:
        sink: The sink.
        events: The events.
        label: What it writes, for the error.

    Raises:
        RunError: It can't take them.
    """
    written = call_guarded(sink.write, events)
    if isinstance(written, Failure):
        raise RunError(f"{label}: its sink fails: {describe(written.error)}") from written.error


def _with_files(config: Config) -> Iterable[str]:
    """Return the sinks that some logger uses, and that can be made anew."""
    used = set(config.root.sinks or [])
    for logger in config.loggers.values():
        used.update(logger.sinks or [])
    return [
        name
        for name, sink in config.sinks.items()
        if name in used and sink.type in KINDS and is_known(sink) and "path" in sink.options
    ]


def _find_sink(config: Config, folder: Path, run: RunInfo, path: Path) -> str | None:
    names = _with_files(config)
    return next(
        (n for n in names if expand(folder, run, str(config.sinks[n].options["path"])) == path),
        None,
    )
