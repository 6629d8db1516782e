"""Building a pipeline from a configuration."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import cache, partial
from pathlib import Path
from typing import Any

from logflume.config.model import Config, LoggerConfig, SinkConfig
from logflume.config.registry import (
    SINKS,
    build,
    find,
    find_processor,
    is_journal_sink,
    split_entry,
)
from logflume.events.reserved import LEVELS
from logflume.exceptions import RunError
from logflume.guard import Failure, call_guarded, describe
from logflume.pipeline.buffer import RecordSource
from logflume.pipeline.catch_up import CatchUp
from logflume.pipeline.delivery import Delivery
from logflume.pipeline.faults import Report, report_fault
from logflume.pipeline.guarded_sink import GuardedSink
from logflume.pipeline.pipeline import Pipeline
from logflume.pipeline.processor_chain import ProcessorChain
from logflume.pipeline.router import Route, Router, Target
from logflume.pipeline.threaded import Threaded
from logflume.pipeline.worker import Worker
from logflume.protocols import Event, Journal, is_journal
from logflume.redaction.rules import load_rules
from logflume.runs.info import RunInfo
from logflume.runs.safe_files import check_own, is_inside
from logflume.runs.state import RunState
from logflume.values.declared import read_kinds
from logflume.values.kinds import Kind
from logflume.values.normalize import Normalizer

__all__ = ["KindStore", "build_caller_chain", "build_pipeline", "build_router", "build_sink"]


class KindStore:
    """Saves the kinds of a run's fields in the run state.

    Each call retries after a failure; consecutive failures are reported once.
    """

    def __init__(self, state: RunState, run: RunInfo, source: RecordSource) -> None:
        self._state = state
        self._run = run
        self._source = source
        self._has_failed = False

    def __call__(self, kinds: dict[str, dict[str, Kind]]) -> None:
        """Save all kinds determined so far."""
        self._state.kinds = kinds
        saved = call_guarded(self._state.save, self._run)
        if isinstance(saved, Failure) and not self._has_failed:
            report_fault(self._source, "run.json", "failed", describe(saved.error))
        self._has_failed = isinstance(saved, Failure)


WORKER_PROCESS_QUEUE = 8_192
"""Default size, in events, of the queue of a sink with its own thread in a worker process."""

WORKER_PROCESS_QUEUE_BYTES = 32 * 2**20
"""Memory limit of such a queue, in bytes."""

_QUEUE_IS_FULL = "its queue is full; events that find no room are added from the journal later"


def build_pipeline(
    config: Config,
    run: RunInfo,
    source: RecordSource,
    kinds: Mapping[str, Mapping[str, str]],
    save_kinds: Callable[[dict[str, dict[str, Kind]]], None],
    start_fields: Callable[[], dict[str, Any]] | None,
    full_attempts: Mapping[str, int],
    *,
    started_ns: int,
    in_worker_process: bool = False,
    earlier_events: int | None = None,
) -> Pipeline:
    """Build a pipeline with all processors and sinks, without starting it.

    If a component can't be built, those already built are closed.

    Args:
        config: A validated configuration.
        run: The run; passed to every component with a parameter `run`.
        source: The source of the records.
        kinds: Kinds of undeclared fields from earlier attempts.
        save_kinds: Called with all kinds after new ones are determined.
        start_fields: Returns the fields of `run_started`; None for a forked child.
        full_attempts: For each sink, the number of attempts, counted from the first, that it has
            in full. Missing events of later attempts are added from the journal.
        started_ns: When the attempt started, in nanoseconds since 1970.
        in_worker_process: Whether this is a worker process. It has short queues: waiting events
            stay in the training process's buffer.
        earlier_events: As for a `Pipeline`.

    Raises:
        ConfigError: A component is unknown or doesn't accept its options.
        RunError: A sink's file can't be opened, or a kind in `kinds` is unknown.
        OSError, MemoryError: The system grants no further thread, file or memory now.
    """
    injected = {"run": run, "metrics": config.metrics}
    report = partial(report_fault, source)
    normalizer = Normalizer(
        run,
        read_kinds(kinds),
        lambda name, message, place: report(name, "limited", message, place=place),
    )
    load_rules()  # now: every event needs them, also while there are no descriptors
    with ExitStack() as opened:
        processors = []
        for index, entry in enumerate(config.processors):
            processors.append(_build_processor(entry, f"processors[{index}]", injected))
            opened.callback(ProcessorChain(processors[-1:], report).close)
        deliveries: dict[str, Delivery] = {}
        sinks: dict[str, Any] = {}
        full_attempts = {
            name: number
            for name, number in full_attempts.items()
            if not _is_missing(name, config, run)
        }
        has_journal = any(is_journal_sink(name, config.sinks[name]) for name in config.used_sinks())
        for name in config.used_sinks():
            sinks[name] = build_sink(name, config.sinks[name], injected)
            deliveries[name] = _build_delivery(
                name,
                sinks[name],
                config,
                report,
                in_worker_process=in_worker_process,
                has_journal=has_journal,
            )
            opened.callback(deliveries[name].close)
        router = build_router(config, deliveries)
        opened.pop_all()
    # The journal is the full record, so it comes first.
    ordered = sorted(deliveries.values(), key=lambda delivery: not is_journal(sinks[delivery.name]))
    _attach_catch_ups(ordered, sinks, router, run, full_attempts)
    chain = ProcessorChain(processors, report)
    worker = Worker(
        source,
        chain,
        normalizer,
        router,
        ordered,
        config.buffer.flush_interval_s,
        save_kinds,
        report,
        polls=not in_worker_process,
    )
    return Pipeline(worker, chain, ordered, source, start_fields, started_ns, earlier_events)


def build_caller_chain(config: Config, run: RunInfo, source: RecordSource) -> ProcessorChain:
    """Build the chain of the processors that run in the threads that log.

    Raises:
        ConfigError: A processor doesn't accept its options.
    """
    injected = {"run": run, "metrics": config.metrics}
    processors = [
        _build_processor(entry, f"caller_processors[{index}]", injected)
        for index, entry in enumerate(config.caller_processors)
    ]
    return ProcessorChain(processors, partial(report_fault, source))


def build_sink(
    name: str, config: SinkConfig, injected: Mapping[str, Any], path: Path | None = None
) -> Any:
    """Build one sink from its section of the configuration.

    The placeholders `{dir}`, `{run}` and `{rank}` in its option `path` are expanded. In the run's
    folder, which may come from somebody else, no link is followed; elsewhere, the user's own links
    are followed.

    Args:
        name: Name of the sink, for error messages.
        config: Its section of the configuration.
        injected: Values for constructor parameters of these names: `run`, `metrics`.
        path: Path that overrides the configured one, if any.

    Raises:
        ConfigError: The type is unknown, or doesn't accept the options.
        RunError: The sink's file can't be opened.
    """
    if config.instance is not None:
        return config.instance
    where = f"sinks.{name}"
    options = dict(config.options)
    if path is not None:
        options["path"] = str(path)
    elif isinstance(options.get("path"), str):
        options["path"] = str(_locate(injected["run"], options["path"]))
    factory = find(SINKS, config.type, f"{where}.type")
    if getattr(factory, "output", None) is not None and isinstance(options.get("path"), str):
        _create_parent(Path(options["path"]), where)
    return build(factory, options, {**injected, "events": config.events}, where)


def _create_parent(path: Path, where: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{where}: can't be opened: {error}") from error


def _locate(run: RunInfo, pattern: str) -> Path:
    """Return the path of a sink.

    Raises:
        RunError: It is in the run's folder, and a link leads there.
    """
    # `..` is removed first, so that the path that is checked is the one that is opened.
    path, folder = (Path(os.path.normpath(one)) for one in (run.expand(pattern), run.folder))
    if not is_inside(folder, path):
        return path.resolve() if path.is_symlink() else path
    check_own(folder, path)
    return path


def _build_processor(entry: Any, where: str, injected: Mapping[str, Any]) -> tuple[str, Any]:
    factory = find_processor(entry)
    if factory is None:
        return getattr(entry, "__name__", type(entry).__name__), entry
    name, options = split_entry(entry)
    if isinstance(factory, type):
        return name, build(factory, options, injected, f"{where}.{name}")
    return name, factory


def _build_delivery(
    name: str,
    sink: Any,
    config: Config,
    report: Report,
    *,
    in_worker_process: bool,
    has_journal: bool,
) -> Delivery:
    guarded = GuardedSink(name, sink, report)
    queue = config.sinks[name].queue
    if queue is None and not getattr(sink, "threaded", False):
        return Delivery(guarded, None, report)
    limits: dict[str, Any] = {}
    if in_worker_process:
        limits = {"size": WORKER_PROCESS_QUEUE, "max_bytes": WORKER_PROCESS_QUEUE_BYTES}
    if queue is not None:
        limits |= {"size": queue.size, "when_full": queue.when_full}
    if has_journal and not is_journal(sink):
        # Reported once.
        limits["on_gap"] = cache(partial(report, name, "limited", _QUEUE_IS_FULL))
    threaded = Threaded(
        guarded,
        name=name,
        on_drop=guarded.counters.drop,
        block_timeout_s=config.buffer.block_timeout_s,
        close_timeout_s=config.shutdown_timeout_s,
        **limits,
    )
    return Delivery(guarded, threaded, report)


def _attach_catch_ups(
    deliveries: Sequence[Delivery],
    sinks: Mapping[str, Any],
    router: Router[Delivery],
    run: RunInfo,
    full_attempts: Mapping[str, int],
) -> None:
    """Let every other sink get its missing events from the journal, which is the first delivery."""
    journal = sinks[deliveries[0].name] if deliveries else None
    if not is_journal(journal) or not isinstance(journal, Journal):
        return
    for delivery in deliveries[1:]:
        catch_up = CatchUp(
            journal.read,
            lambda: deliveries[0].fault is not None,
            partial(_is_routed_to, router, delivery),
            sinks[delivery.name],
            run,
            delivery.counters,
        )
        delivery.use_catch_up(catch_up, full_attempts.get(delivery.name, 0))


def _is_routed_to(router: Router[Delivery], delivery: Delivery, event: Event) -> bool:
    return delivery in router.targets(event)


def _is_missing(name: str, config: Config, run: RunInfo) -> bool:
    """Whether a sink's files were removed, or its path was changed to a new one."""
    path = config.sinks[name].options.get("path") if name in config.sinks else None
    return isinstance(path, str) and not run.expand(path).exists()


def build_router(config: Config, targets: Mapping[str, Target]) -> Router[Target]:
    """Return a router for the configured loggers and sinks.

    Args:
        config: A validated configuration.
        targets: The target for each sink, by name.
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
