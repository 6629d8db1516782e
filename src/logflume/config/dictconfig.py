"""Translates configurations in the format of Python's `logging.config.dictConfig`.

The seed document, this project's original specification, uses this format: `handlers` with a
`class`, `formatters`, loggers named `logging.training`. Such a configuration is translated to
logflume's own format and then checked like any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from logflume.config.errors import ErrorList, config_error, unknown_error
from logflume.config.model import Level
from logflume.config.reader import join, mapping, read

__all__ = ["is_dictconfig", "translate"]

_DEFAULT_HANDLERS: dict[str, dict[str, Any]] = {
    "console": {"type": "console"},
    "file": {"type": "console", "path": "{dir}/gemma_training.log"},
    "csv": {"type": "csv", "path": "{dir}/gemma_outputs.csv", "events": ["model_output"]},
    "tensorboard": {"type": "tensorboard", "path": "{dir}/gemma_tensorboard"},
    "parquet": {"type": "parquet", "path": "{dir}/{run}/parquet"},
    "jsonl": {"type": "jsonl", "path": "{dir}/{run}/events.jsonl"},
}
"""Handlers that the seed document's sample uses but doesn't define, with its paths."""

_STAND_IN = _DEFAULT_HANDLERS["console"]
"""Replaces an invalid handler, so that the search for errors can continue."""

_CLASSES: dict[str, str] = {
    "StreamHandler": "console",
    "FileHandler": "file",
    "RotatingFileHandler": "file",
    "TimedRotatingFileHandler": "file",
    "CSVHandler": "csv",
    "TensorBoardHandler": "tensorboard",
    "JSONLHandler": "jsonl",
    "JsonlHandler": "jsonl",
    "ParquetHandler": "parquet",
}
"""The default handler for each handler class, by the last part of the class name."""

_PATH_KEYS = ("filename", "path", "file", "log_dir", "logdir", "directory")
_LOGGER_KEYS = ("level", "handlers", "propagate", "filters")
_DROPPED_KEYS = ("handlers", "formatters", "filters", "disable_existing_loggers", "incremental")
_LEVELS = {"10": "DEBUG", "20": "INFO", "30": "WARNING", "40": "ERROR", "50": "CRITICAL"} | {
    "WARN": "WARNING",
    "FATAL": "CRITICAL",
}
_PROCESSORS = ("redact_secrets", "tag_step", "flatten_rewards", "aggregate_metrics")


def is_dictconfig(raw: Mapping[str, Any]) -> bool:
    """Whether a configuration is in the format of dictConfig."""
    return any(key in raw for key in ("handlers", "formatters", "disable_existing_loggers"))


def translate(raw: Mapping[str, Any], where: str, errors: ErrorList) -> dict[str, Any]:
    """Translate a configuration to logflume's format, and add the journal to every logger.

    Formatters and filters have no counterpart, because sinks do their own formatting. Levels,
    handlers, `propagate`, `metrics` and all keys of logflume's own are kept.

    Args:
        raw: The configuration.
        where: Location in the configuration, for errors.
        errors: Where unknown handler classes, handler names and levels are added.
    """
    result = {key: value for key, value in raw.items() if key not in _DROPPED_KEYS}
    sinks = {"jsonl": dict(_DEFAULT_HANDLERS["jsonl"])}
    with errors:
        for name, handler in mapping(raw.get("handlers"), join(where, "handlers")).items():
            sinks[str(name)] = dict(_STAND_IN)
            with errors:
                sinks[str(name)] = _translate_handler(handler, join(where, f"handlers.{name}"))
    with errors:
        sinks |= mapping(raw.get("sinks"), join(where, "sinks"))
    root: dict[str, Any] = {"sinks": []}
    with errors:
        root = _translate_logger(raw.get("root"), sinks, join(where, "root"), errors)
    result["root"] = {"level": "INFO", **root, "sinks": _with_journal(root["sinks"])}
    result["loggers"] = {}
    with errors:
        for name, table in mapping(raw.get("loggers"), join(where, "loggers")).items():
            with errors:
                logger = _translate_logger(table, sinks, join(where, f"loggers.{name}"), errors)
                if table is None or table.get("propagate", True):
                    logger["sinks"] += [s for s in root["sinks"] if s not in logger["sinks"]]
                logger["sinks"] = _with_journal(logger["sinks"])
                result["loggers"][str(name).removeprefix("logging.")] = logger
    result["sinks"] = sinks
    result.setdefault("processors", list(_PROCESSORS))
    return result


def _with_journal(names: list[str]) -> list[str]:
    return ["jsonl", *(name for name in names if name != "jsonl")]


def _translate_logger(
    raw: Any, sinks: dict[str, Any], where: str, errors: ErrorList
) -> dict[str, Any]:
    """Return level and sinks of a logger; default handlers that it uses are added to `sinks`."""
    table = mapping(raw, where)
    for key in table:
        if key not in _LOGGER_KEYS:
            with errors:
                raise unknown_error(join(where, key), "unknown key", key, _LOGGER_KEYS)
    handlers: list[str] = read(table.get("handlers") or [], list[str], join(where, "handlers"))
    for name in handlers:
        if name not in sinks and name not in _DEFAULT_HANDLERS:
            known = sorted({*sinks, *_DEFAULT_HANDLERS})
            with errors:
                problem = f"there is no handler named {name!r}"
                raise unknown_error(join(where, "handlers"), problem, name, known)
        sinks.setdefault(name, dict(_DEFAULT_HANDLERS.get(name, _STAND_IN)))
    return {**_translate_level(table, where), "sinks": list(handlers)}


def _translate_level(table: Mapping[Any, Any], where: str) -> dict[str, str]:
    """Return a mapping with the level, empty if it is not set."""
    text = str(table.get("level", "NOTSET")).upper()
    if text in ("NOTSET", "0"):
        return {}
    raw = _LEVELS.get(text, table["level"])
    return {"level": read(raw, Level, join(where, "level"))}


def _translate_handler(raw: Any, where: str) -> dict[str, Any]:
    handler = mapping(raw, where)
    name = str(handler.get("class", "")).rpartition(".")[2]
    if name not in _CLASSES:
        problem = f"no sink corresponds to class {name!r}"
        raise unknown_error(join(where, "class"), problem, name, _CLASSES)
    sink = {**_DEFAULT_HANDLERS[_CLASSES[name]], **_translate_level(handler, where)}
    if "events" in handler:
        sink["events"] = handler["events"]
    if path := next((handler[key] for key in _PATH_KEYS if handler.get(key)), None):
        sink["path"] = str(path)
    elif _CLASSES[name] == "file":
        raise config_error(where, "a file handler requires 'filename'")
    if isinstance(handler.get("buffer_size"), int):
        sink["queue"] = {"size": handler["buffer_size"]}
    return sink
