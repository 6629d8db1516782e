"""The sink files of a run: their paths, their sinks, and which events belong in them."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path, PurePath
from typing import Any, TypeVar

import msgspec

from logflume.config.load import load_config
from logflume.config.model import Config, SinkConfig
from logflume.config.paths import PathCheck
from logflume.config.registry import SINKS, check_options, find, is_journal_sink, is_known
from logflume.events.reserved import LEVELS
from logflume.exceptions import ConfigError, LogflumeError, RunError
from logflume.formats.journal import read_journal_lines
from logflume.formats.journal_lines import event_type_filter
from logflume.guard import Failure, call_guarded, describe
from logflume.pipeline.build import build_router, build_sink
from logflume.protocols import Event
from logflume.runs.files import Writer, is_own_name
from logflume.runs.info import RunInfo
from logflume.runs.lock import acquire, find_holder
from logflume.runs.safe_files import check_entries, check_own, is_inside

__all__ = [
    "SinkFile",
    "call_sink",
    "find_sink_files",
    "has_all_events",
    "identify",
    "load_configs",
    "lock_run",
    "note_unchecked",
    "select_sink_files",
]


T = TypeVar("T")

_SAMPLE_LINES = 100

_INJECTED = ("run", "metrics", "events")
"""Constructor arguments of sinks that are not options."""


def identify(writer: Writer) -> RunInfo | None:
    """Return the identity of a journal's writer; None if the first lines have no valid event.

    Run and rank are those of the majority of the first events, because some may be damaged.
    """
    lines = islice(read_journal_lines(writer, None), _SAMPLE_LINES)
    events = (line.event for line in lines if line.event is not None)
    owners = Counter((event["run"], event["rank"]) for event in events)
    if not owners:
        return None
    (run, rank), _ = owners.most_common(1)[0]
    return RunInfo(
        run=run,
        rank=rank,
        attempt=writer.attempt or 0,
        dir=writer.folder.parent,
        process=writer.process,
        is_concurrent=writer.attempt is not None,
    )


def _expand_path(folder: Path, run: RunInfo, pattern: str) -> Path:
    """Expand a configured path, even if the run's folder was moved or renamed meanwhile."""
    moved = msgspec.structs.replace(run, run=folder.name, dir=folder.parent)
    return Path(os.path.abspath(moved.expand(pattern)))  # noqa: PTH100 - `..` is not resolved there


def load_configs(
    writer: Writer, run: RunInfo, note: Callable[[str], None] = lambda _line: None
) -> dict[int, Config]:
    """Return the configuration of each attempt that has a usable one in the journal.

    Args:
        writer: The journal's writer.
        run: The writer's identity.
        note: Called with a line about each attempt whose configuration can't be used.
    """
    configs: dict[int, Config] = {}
    is_only_one = run.is_concurrent or (writer.state is not None and writer.state.attempt == 0)
    is_wanted = event_type_filter("run_started")
    for line in read_journal_lines(writer, run, is_wanted=is_wanted):
        event = line.event
        if event is None or event["event"] != "run_started" or event.get("config") is None:
            continue
        config = _read_config(event["config"])
        if config is not None:
            configs[event["attempt"]] = config
        else:
            note(
                f"attempt {event['attempt']}: its own sinks are not checked, because this version "
                "can't use its configuration: another version wrote it, or it is damaged"
            )
        if is_only_one:
            break
    return configs


def _read_config(text: Any) -> Config | None:
    """Return a configuration in the journal; None if another version wrote it, or it is damaged."""
    try:
        config = msgspec.json.decode(text, type=Config)
    except (msgspec.MsgspecError, RecursionError, TypeError):
        return None
    return config if _is_usable(config) else None


def _is_usable(config: Config) -> bool:
    """Whether the sinks can be built: damaged text may still be valid JSON."""
    loggers = (config.root, *config.loggers.values())
    names = {name for logger in loggers for name in logger.sinks or []}
    try:
        for name, sink in config.sinks.items():
            if _can_build(sink):
                factory = find(SINKS, sink.type, "sinks")
                check_options(factory, sink.options, _INJECTED, f"sinks.{name}")
    except ConfigError:
        return False
    return names <= set(config.sinks)


def has_all_events(config: Config) -> bool:
    """Whether all events go to the journal. Only then is a gap in `seq` a loss."""
    for logger in (config.root, *config.loggers.values()):
        names = config.root.sinks if logger.sinks is None else logger.sinks
        if not any(_receives_all(name, config, logger.level) for name in names or []):
            return False
    return True


def _can_build(sink: SinkConfig) -> bool:
    """Whether a sink can be built here: it wasn't passed as an object, and its kind is known.

    Nothing is imported because a journal names it: the run may be somebody else's.
    """
    if sink.instance is not None or not is_known(SINKS, sink.type):
        return False
    try:
        find(SINKS, sink.type, "sinks")
    except ConfigError:
        return False
    return True


def _receives_all(name: str, config: Config, level: str) -> bool:
    sink = config.sinks[name]
    return (
        _can_build(sink)
        and is_journal_sink(name, sink)
        and sink.events is None
        and LEVELS[sink.level.lower()] <= LEVELS[level.lower()]
    )


@contextmanager
def lock_run(folder: Path, writers: Sequence[Writer]) -> Iterator[None]:
    """Hold the file locks of a run within the block, so that no other process can write it.

    Args:
        folder: The run's folder.
        writers: Its writers.

    Raises:
        RunError: The run is being written, or one of its files is a link.
    """
    check_entries(folder, folder, is_own_name)
    names = {Writer(folder, "").lock_name, *(w.lock_name for w in writers if w.process is None)}
    with ExitStack() as stack:
        for path in sorted(folder / name for name in names):
            lock = acquire(path)
            if lock is None:
                raise RunError(_locked_message(folder, path))
            stack.callback(lock.release)
        yield


def _locked_message(folder: Path, path: Path) -> str:
    return (
        f"{folder}: {find_holder(path) or 'another process'} is writing this run "
        f"(lock file: {path}). Wait until it has ended, or rebuild sink files elsewhere: "
        "logflume replay … --out FOLDER"
    )


class SinkFile:
    """A file or folder that one sink writes for one writer of a run.

    Args:
        name: The sink's name in `latest`.
        run: The writer's identity.
        folder: The run's folder, resolved.
        configs: The configuration of each attempt.
        latest: The latest configuration with this sink file.
        is_expected: Whether the run should have the sink file. If not, it may have been added by a
            replay.

    Attributes:
        kind: The registered kind of the sink.
        can_scan: Whether it can be compared with the journal (`logflume.protocols.ScannableSink`).
        can_compact: Whether the sink has a method `compact`.
        is_journal: Whether it is the journal.
        run: As given.
        path: The file or folder.
        label: The path in messages, relative to the run's folder.
        is_shared: Whether the path is outside of the run's folder, where other runs may write, too.
            Such a sink file is changed only if the user names it.
        is_expected: As given.
        attempts: The attempts whose configuration has the sink file; `[0]` if none has.
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
        sink_class = find(SINKS, self.kind, f"sinks.{name}.type")
        self.can_scan = hasattr(sink_class, "scan")
        self.can_compact = hasattr(sink_class, "compact")
        self.is_journal = is_journal_sink(name, latest.sinks[name])
        self.path = _expand_path(folder, run, str(latest.sinks[name].options["path"]))
        self.is_shared = not is_inside(folder, self.path)
        self._folder = folder
        self.label = str(self.path if self.is_shared else self.path.relative_to(folder))
        self.is_expected = is_expected
        self._latest = _ConfiguredSink(name, latest)
        self._sinks = {
            attempt: _ConfiguredSink(sink_name, config)
            for attempt, config in sorted(configs.items())
            if (sink_name := _find_sink(config, folder, run, self.path)) is not None
        }
        self.attempts = list(self._sinks) or [0]

    def accepts(self, event: Event) -> bool:
        """Whether an event belongs in the sink file.

        The configuration of the event's attempt decides. If only a later attempt has the sink file,
        the catch-up adds the event according to the latest configuration.
        """
        attempt = event["attempt"]
        if self._sinks and attempt > self.attempts[-1]:
            return False
        return self._sink(attempt).accepts(event)

    def open(self, path: Path | None = None, attempt: int | None = None) -> Any:
        """Build the sink.

        Args:
            path: The file or folder to write; None: that of the sink file.
            attempt: The attempt whose events are written; None: the latest.

        Raises:
            ConfigError: The sink rejects its options.
            RunError: The file or folder can't be opened.
        """
        attempt = self.attempts[-1] if attempt is None else attempt
        moved = {"dir": self._folder.parent, "folder_name": self._folder.name}
        run = msgspec.structs.replace(self.run, attempt=attempt, **moved)
        return self._sink(attempt).build(run, path or self.path)

    def check_own(self) -> None:
        """Check, before writing, that a sink file in the run's folder is really there.

        Raises:
            RunError: It is a link or a special file, or a link leads there.
        """
        if not self.is_shared:
            check_own(self._folder, self.path)

    def own_files(self, path: Path) -> set[Path]:
        """Return the files that the sink has written for the run.

        Args:
            path: A folder, or a file, which may have others next to it, such as rotated ones.
        """
        with tempfile.TemporaryDirectory(prefix="logflume-") as elsewhere:
            sink = self.open(Path(elsewhere) / self.path.name)
            try:
                if hasattr(sink, "own_files"):
                    return call_sink(self.label, lambda: set(sink.own_files(path, self.run)))
                return set(path.rglob("*"))
            finally:
                call_guarded(sink.close)

    def outputs(self, path: Path) -> set[Path]:
        """Return the folder, or the file with those next to it."""
        return {path} if path.is_dir() else {path, *self.own_files(path)}

    @property
    def attempts_by_options(self) -> list[int]:
        """One attempt for each set of options that the sink had, latest first."""
        by_options: dict[str, int] = {}
        for attempt in reversed(self.attempts):
            by_options.setdefault(self._sink(attempt).options_text, attempt)
        return list(by_options.values())

    def _sink(self, attempt: int) -> _ConfiguredSink:
        return self._sinks.get(attempt, self._latest)


class _ConfiguredSink:
    """A sink of one configuration."""

    def __init__(self, name: str, config: Config) -> None:
        self._name = name
        self._config = config
        self._router = build_router(config, {name: name for name in config.sinks})

    @property
    def options_text(self) -> str:
        section = self._config.sinks[self._name]
        return repr((sorted(section.options.items()), section.events))

    def accepts(self, event: Event) -> bool:
        return self._name in self._router.targets(event)

    def build(self, run: RunInfo, path: Path) -> Any:
        injected = {"run": run, "metrics": self._config.metrics}
        return build_sink(self._name, self._config.sinks[self._name], injected, path)


def find_sink_files(run: RunInfo, folder: Path, configs: Mapping[int, Config]) -> list[SinkFile]:
    """Return the sink files of a writer, including those that a replay can add to the run.

    Those are the ones of the default configuration whose kind the run doesn't have.
    """
    default = load_config("default", paths=PathCheck.NONE)
    own: dict[Path, SinkFile] = {}
    for _, config in sorted(configs.items(), reverse=True):
        for name in _rebuildable_sinks(config):
            sink_file = SinkFile(name, run, folder, configs, config)
            own.setdefault(sink_file.path, sink_file)
    kinds = {sink_file.kind for sink_file in own.values()}
    defaults = [
        SinkFile(name, run, folder, {}, default, False) for name in _rebuildable_sinks(default)
    ]
    return [*own.values(), *(sink_file for sink_file in defaults if sink_file.kind not in kinds)]


def select_sink_files(
    sink_files: Sequence[SinkFile], outside: Collection[Path], note: Callable[[str], None]
) -> list[SinkFile]:
    """Return the sink files in the run's folder, and those outside it that the user names.

    Args:
        sink_files: All sink files of a writer.
        outside: The paths that the user names.
        note: Called with a line about each sink file that is left out.
    """
    named = {path.resolve() for path in outside}
    selected = []
    for sink_file in sink_files:
        if not sink_file.is_shared or sink_file.path.resolve() in named:
            selected.append(sink_file)
        elif sink_file.is_expected:
            note(
                f"{sink_file.path}: not checked, because it is not in the run's folder. "
                "To include it: --outside with its path"
            )
    return selected


def note_unchecked(configs: Mapping[int, Config], note: Callable[[str], None]) -> None:
    """Call `note` with a line about each used sink that can't be checked."""
    used = {
        (name, reason)
        for config in configs.values()
        for name in config.used_sinks()
        if (reason := _why_unchecked(name, config.sinks[name]))
    }
    for name, reason in sorted(used):
        note(f"sinks.{name}: not checked, because {reason}")


def _why_unchecked(name: str, sink: SinkConfig) -> str | None:
    """Return why the files of a sink can't be checked; None if they can, or if it has none."""
    if sink.instance is not None:
        return "it was passed as an object. Configure its class as the type to have it checked"
    if not is_known(SINKS, sink.type):
        return (
            f"no sink is registered as {sink.type!r}, and nothing is imported because a journal "
            "names it. If you trust it: --import with that name"
        )
    try:
        sink_class = find(SINKS, sink.type, "sinks")
    except ConfigError as error:
        return str(error).removeprefix("sinks: ")
    if _has_own_name(name, sink):
        return (
            f"{PurePath(sink.options['path']).name} is a name of the journal, the run's state or "
            "its lock. Configure another path"
        )
    if hasattr(sink_class, "scan") or is_journal_sink(name, sink):
        return None
    return f"{sink.type!r} has no methods scan and expect: see docs/extending.md"


def call_sink(label: str, call: Callable[..., T], *args: Any) -> T:
    """Call a method of a sink.

    Args:
        label: Name of the sink file, for the error message.
        call: The method.
        *args: Its arguments.

    Raises:
        RunError: The sink failed.
    """
    result = call_guarded(call, *args)
    if isinstance(result, Failure):
        if isinstance(result.error, LogflumeError):
            raise result.error
        raise RunError(f"{label}: the sink failed: {describe(result.error)}") from result.error
    return result


def _rebuildable_sinks(config: Config) -> list[str]:
    """Return the names of the sinks that a logger uses and whose files can be rebuilt."""
    used = {name: config.sinks[name] for name in config.used_sinks()}
    return [name for name, sink in used.items() if _can_build(sink) and _has_own_path(name, sink)]


def _has_own_path(name: str, sink: SinkConfig) -> bool:
    """Whether a sink writes to a path, which is not that of the journal, the state or a lock."""
    path = sink.options.get("path")
    return isinstance(path, str) and "\0" not in path and not _has_own_name(name, sink)


def _has_own_name(name: str, sink: SinkConfig) -> bool:
    """Whether a sink that isn't the journal has a path that only logflume itself may write."""
    path = sink.options.get("path")
    if not isinstance(path, str) or is_journal_sink(name, sink):
        return False
    return is_own_name(PurePath(path).name)


def _find_sink(config: Config, folder: Path, run: RunInfo, path: Path) -> str | None:
    """Return the name of the sink that writes a path; None if there is none."""
    for name in _rebuildable_sinks(config):
        if _expand_path(folder, run, str(config.sinks[name].options["path"])) == path:
            return name
    return None
