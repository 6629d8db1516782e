"""A pipeline from a configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from logflume.config.errors import config_error
from logflume.config.model import Config, LoggerConfig, SinkConfig
from logflume.config.registry import PROCESSORS, SINKS, build, find
from logflume.events.reserved import LEVELS
from logflume.guard import Failure, call_guarded, describe
from logflume.pipeline.buffer import RecordSource
from logflume.pipeline.catch_up import CatchUp
from logflume.pipeline.delivery import Delivery, GuardedSink
from logflume.pipeline.faults import report_fault
from logflume.pipeline.pipeline import Pipeline
from logflume.pipeline.processor_chain import NamedProcessor, ProcessorChain
from logflume.pipeline.router import Route, Router, Target
from logflume.pipeline.threaded import Threaded
from logflume.pipeline.worker import Worker
from logflume.protocols import Event, Journal
from logflume.runs.info import RunInfo
from logflume.runs.state import RunState
from logflume.values.declared import read_kinds
from logflume.values.kinds import Kind
from logflume.values.normalize import Normalizer

__all__ = ["KindStore", "build_pipeline", "build_router", "build_sink", "is_journal"]


class KindStore:
    """Saves the kinds of a run's fields. A failure is reported once; the next call tries again."""

    def __init__(self, state: RunState, run: RunInfo, source: RecordSource) -> None:
        self._state = state
        self._run = run
        self._source = source
        self._fails = False

    def __call__(self, kinds: dict[str, dict[str, Kind]]) -> None:
        """Save all kinds known by now."""
        self._state.kinds = kinds
        saved = call_guarded(self._state.save, self._run)
        if isinstance(saved, Failure) and not self._fails:
            report_fault(self._source, "run.json", "failed", describe(saved.error))
        self._fails = isinstance(saved, Failure)


WORKER_PROCESS_QUEUE = 8_192
"""Events that wait for a sink with a thread of its own, by default, in a worker process."""


def build_pipeline(
    config: Config,
    run: RunInfo,
    source: RecordSource,
    kinds: Mapping[str, Mapping[str, str]],
    save_kinds: Callable[[dict[str, dict[str, Kind]]], None],
    opening: Callable[[], dict[str, Any]] | None,
    whole: Mapping[str, int],
    *,
    in_worker_process: bool = False,
) -> Pipeline:
    """Build every processor and sink, and the pipeline around them. Nothing runs yet.

    When one can't be built, those that were are closed.

    Args:
        config: A checked configuration.
        run: The run; passed to every component that has a parameter for it.
        source: Where the records come from.
        kinds: Kinds of undeclared fields that an earlier attempt has fixed.
        save_kinds: Called with the kinds after new ones were seen.
        opening: Returns the fields of `run_started`; None for a forked child.
        whole: By sink, how many attempts it has in full; what it lacks of others is filled in.
        in_worker_process: Whether this is a worker process. Events that have to wait then wait in
            the training process's buffer, and few of them here.

    Raises:
        ConfigError: A component is unknown or doesn't take its options.
        RunError: What a component writes to can't be opened, or a kind is unknown.
    """
    given = {"run": run, "metrics": config.metrics}
    report = partial(report_fault, source)
    normalizer = Normalizer(
        run, read_kinds(kinds), lambda name, sentence: report(name, "limited", sentence)
    )
    with ExitStack() as opened:
        processors = []
        for index, entry in enumerate(config.processors):
            processors.append(_build_processor(entry, index, given))
            opened.callback(ProcessorChain(processors[-1:], report).close)
        deliveries: dict[str, Delivery] = {}
        sinks: dict[str, Any] = {}
        kept = {name: n for name, n in whole.items() if not _is_gone(name, config, run)}
        for name in _wanted_sinks(config):
            sinks[name] = build_sink(name, config.sinks[name], given)
            deliveries[name] = _build_delivery(name, sinks[name], config, report, in_worker_process)
            opened.callback(deliveries[name].close)
        router = build_router(config, deliveries)
        opened.pop_all()
    # The journal is the full record, so it is written first.
    ordered = sorted(deliveries.values(), key=lambda delivery: not is_journal(sinks[delivery.name]))
    _let_catch_up(ordered, sinks, router, run, kept)
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
    return Pipeline(worker, chain, ordered, source, opening)


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


def _build_delivery(
    name: str,
    sink: Any,
    config: Config,
    report: Callable[[str, str, str], None],
    in_worker_process: bool,
) -> Delivery:
    guarded = GuardedSink(name, sink, report)
    queue = config.sinks[name].queue
    if queue is None and not getattr(sink, "threaded", False):
        return Delivery(guarded, guarded)
    limits: dict[str, Any] = {"size": WORKER_PROCESS_QUEUE} if in_worker_process else {}
    if queue is not None:
        limits = {"size": queue.size, "when_full": queue.when_full}
    front = Threaded(
        guarded,
        name=name,
        on_drop=guarded.counters.drop,
        block_timeout_s=config.buffer.block_timeout_s,
        close_timeout_s=config.shutdown_timeout_s,
        **limits,
    )
    return Delivery(guarded, front)


def _let_catch_up(
    deliveries: Sequence[Delivery],
    sinks: Mapping[str, Any],
    router: Router[Delivery],
    run: RunInfo,
    whole: Mapping[str, int],
) -> None:
    """Give every sink what it lacks of the journal, which is the first."""
    journal = sinks[deliveries[0].name] if deliveries else None
    if not is_journal(journal) or not isinstance(journal, Journal):
        return
    for delivery in deliveries[1:]:
        catch_up = CatchUp(
            journal,
            lambda: deliveries[0].fault is not None,
            partial(_leads_to, router, delivery),
            sinks[delivery.name],
            run,
            delivery.counters,
        )
        delivery.use_catch_up(catch_up, whole.get(delivery.name, 0))


def _leads_to(router: Router[Delivery], delivery: Delivery, event: Event) -> bool:
    return delivery in router.targets(event)


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
