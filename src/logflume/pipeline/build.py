"""A pipeline from a configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from logflume.config.errors import config_error
from logflume.config.model import Config, LoggerConfig, SinkConfig
from logflume.hub import HUB, LEVELS
from logflume.pipeline.backlog import Backlog
from logflume.pipeline.chain import Chain, NamedProcessor
from logflume.pipeline.faults import report_fault
from logflume.pipeline.lane import Lane
from logflume.pipeline.outlet import Outlet
from logflume.pipeline.pipeline import Pipeline
from logflume.pipeline.router import Route, Router, Target
from logflume.pipeline.worker import Worker
from logflume.protocols import Event, Journal
from logflume.registry import PROCESSORS, SINKS, build, find
from logflume.run import RunInfo
from logflume.values.columns import Kind
from logflume.values.normalise import Normalizer

__all__ = ["build_pipeline", "build_router", "build_sink", "is_journal"]

QUEUE_APART = 8_192
"""Events that wait for a sink with a thread of its own, by default, where the pipeline is apart."""


def build_pipeline(
    config: Config,
    run: RunInfo,
    kinds: dict[str, dict[str, Kind]],
    save_kinds: Callable[[dict[str, dict[str, Kind]]], None],
    opening: Callable[[], dict[str, Any]] | None,
    whole: Mapping[str, int],
    *,
    apart: bool = False,
) -> Pipeline:
    """Build every processor and sink, and the pipeline around them. Nothing runs yet.

    When one can't be built, those that were are closed.

    Args:
        config: A checked configuration.
        run: Who we are; passed to every component that asks for it.
        kinds: Kinds of undeclared fields that an earlier attempt has fixed.
        save_kinds: Called with the kinds after new ones were seen.
        opening: Returns the fields of `run_started`; None for a forked child.
        whole: By sink, how many attempts it has in full: what it lacks of others is filled in.
        apart: Whether this is not the training's process, in which the worker is a guest. What has
            to wait then waits in the training's buffer, and little of it here.

    Raises:
        ConfigError: A component is unknown or doesn't take its options.
        RunError: What a component writes to can't be opened.
    """
    given = {"run": run, "metrics": config.metrics}
    with ExitStack() as opened:
        processors = []
        for index, entry in enumerate(config.processors):
            processors.append(_build_processor(entry, index, given))
            opened.callback(Chain(processors[-1:], report_fault).close)
        lanes: dict[str, Lane] = {}
        sinks: dict[str, Any] = {}
        kept = {name: n for name, n in whole.items() if not _is_gone(name, config, run)}
        for name in _wanted_sinks(config):
            sinks[name] = build_sink(name, config.sinks[name], given)
            lanes[name] = _build_lane(name, config.sinks[name], sinks[name], config, apart)
            opened.callback(lanes[name].close)
        router = build_router(config, lanes)
        opened.pop_all()
    # The journal is the full record, so it is written first.
    ordered = sorted(lanes.values(), key=lambda lane: not is_journal(sinks[lane.name]))
    _let_catch_up(ordered, sinks, router, run, kept)
    chain = Chain(processors, report_fault)
    worker = Worker(
        HUB.buffer,
        chain,
        Normalizer(run, kinds),
        router,
        ordered,
        config.buffer.flush_interval_s,
        save_kinds,
        report_fault,
        polls=not apart,
    )
    return Pipeline(worker, chain, ordered, opening)


def is_journal(sink: Any) -> bool:
    """Whether a sink is the journal: the full record, from which the others can be rebuilt."""
    return bool(getattr(sink, "journal", False))


def build_sink(
    name: str, config: SinkConfig, given: Mapping[str, Any], path: Path | None = None
) -> Any:
    """Build one sink from its part of the configuration.

    Its option `path` may hold `{dir}`, `{run}` and `{rank}`; they are filled here.

    Args:
        name: Its name, for errors.
        config: The part.
        given: What a sink may ask for: `run`, `metrics`.
        path: Where it writes; None: where its configuration says.

    Raises:
        ConfigError: The kind is unknown, or doesn't take the options.
        RunError: What it writes to can't be opened.
    """
    if config.instance is not None:
        return config.instance
    where = f"sinks.{name}"
    options = dict(config.options)
    if path is not None:
        options["path"] = str(path)
    elif isinstance(options.get("path"), str):
        options["path"] = str(given["run"].expand(options["path"]))
    return build(
        find(SINKS, config.type, f"{where}.type"),
        options,
        {**given, "events": config.events},
        where,
    )


def _build_processor(entry: Any, index: int, given: Mapping[str, Any]) -> NamedProcessor:
    where = f"processors[{index}]"
    if callable(entry):
        return NamedProcessor(getattr(entry, "__name__", type(entry).__name__), entry)
    if isinstance(entry, str):
        entry = {entry: {}}
    if not isinstance(entry, Mapping) or len(entry) != 1:
        raise config_error(where, f"expected a name, or one name with its options, found {entry!r}")
    ((name, options),) = entry.items()
    factory = find(PROCESSORS, name, where)
    where = f"{where}.{name}"
    if isinstance(factory, type):
        return NamedProcessor(name, build(factory, options or {}, given, where))
    if options:
        raise config_error(where, "this processor is a function and takes no options")
    return NamedProcessor(name, factory)


def _build_lane(name: str, config: SinkConfig, sink: Any, whole: Config, apart: bool) -> Lane:
    outlet = Outlet(name, sink, report_fault)
    if config.queue is None and not getattr(sink, "threaded", False):
        return Lane(outlet, outlet)
    queue = config.queue
    threaded = find(SINKS, "threaded", f"sinks.{name}")
    limits: dict[str, Any] = {"size": QUEUE_APART} if apart else {}
    if queue is not None:
        limits = {"size": queue.size, "when_full": queue.when_full}
    front = threaded(
        outlet,
        name=name,
        on_drop=outlet.totals.drop,
        block_timeout_s=whole.buffer.block_timeout_s,
        close_timeout_s=whole.shutdown_timeout_s,
        **limits,
    )
    return Lane(outlet, front)


def _let_catch_up(
    lanes: Sequence[Lane],
    sinks: Mapping[str, Any],
    router: Router[Lane],
    run: RunInfo,
    whole: Mapping[str, int],
) -> None:
    """Give every sink what it lacks of the journal, which is the first."""
    journal = sinks[lanes[0].name] if lanes else None
    if not is_journal(journal) or not isinstance(journal, Journal):
        return
    for lane in lanes[1:]:
        backlog = Backlog(
            journal,
            lambda: lanes[0].fault is not None,
            partial(_leads_to, router, lane),
            sinks[lane.name],
            run,
            lane.totals,
        )
        lane.catch_up(backlog, whole.get(lane.name, 0))


def _leads_to(router: Router[Lane], lane: Lane, event: Event) -> bool:
    return lane in router.targets(event)


def _is_gone(name: str, config: Config, run: RunInfo) -> bool:
    """Whether what a sink has written was removed, or goes to another place from now on."""
    path = config.sinks[name].options.get("path") if name in config.sinks else None
    return isinstance(path, str) and not run.expand(path).exists()


def _wanted_sinks(config: Config) -> list[str]:
    """Return the sinks that some logger uses, in the order of the configuration."""
    used = set(config.root.sinks or [])
    for logger in config.loggers.values():
        used.update(logger.sinks or [])
    return [name for name in config.sinks if name in used]


def build_router(config: Config, targets: Mapping[str, Target]) -> Router[Target]:
    """Return what tells which events go to which sinks.

    Args:
        config: A checked configuration.
        targets: What stands for each sink, by its name.
    """
    loggers = {"": config.root, **config.loggers}
    return Router({name: _routes(logger, config, targets) for name, logger in loggers.items()})


def _routes(
    logger: LoggerConfig, config: Config, targets: Mapping[str, Target]
) -> list[Route[Target]]:
    names = config.root.sinks if logger.sinks is None else logger.sinks
    return [
        Route(targets[name], LEVELS[config.sinks[name].level.lower()], config.sinks[name].events)
        for name in names or []
    ]
