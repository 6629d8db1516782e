"""The outputs of a run: where they are, how they are opened, and what belongs in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from logflume.config.load import load_config
from logflume.config.model import Config
from logflume.exceptions import RunError
from logflume.guard import Failure, attempt, describe
from logflume.pipeline.build import build_router, build_sink
from logflume.protocols import Event
from logflume.rebuilding.identity import expand, is_known
from logflume.run import RunInfo

__all__ = ["KINDS", "Output", "find_outputs", "write_to"]

KINDS = ("csv", "parquet", "tensorboard", "console", "jsonl")
"""Registered kinds of sinks that can be made anew; `console` is a log file."""


class Output:
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


def find_outputs(run: RunInfo, folder: Path, configs: Mapping[int, Config]) -> list[Output]:
    """Return the outputs of a writer, those of the default configuration included.

    Of these only the kinds that its own configuration has not: a run may get an output later.
    """
    default = load_config("default")
    own: dict[Path, Output] = {}
    for _, config in sorted(configs.items(), reverse=True):
        for name in _with_files(config):
            output = Output(name, run, folder, configs, config)
            own.setdefault(output.path, output)
    has = {output.kind for output in own.values()}
    more = [Output(name, run, folder, {}, default, False) for name in _with_files(default)]
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
    written = attempt(sink.write, events)
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
