"""Configurations written in the words of Python's `logging.config.dictConfig`.

The seed of this project was described in them: `handlers` with a `class`, `formatters`,
loggers named `logging.training`. They are translated to logflume's own words, and checked after.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from logflume.config.errors import config_error, nearest
from logflume.config.model import Level
from logflume.config.reader import join, mapping, read

__all__ = ["is_dictconfig", "translate"]

_WELL_KNOWN: dict[str, dict[str, Any]] = {
    "console": {"type": "console"},
    "file": {"type": "console", "path": "{dir}/gemma_training.log"},
    "csv": {"type": "csv", "path": "{dir}/gemma_outputs.csv", "events": ["model_output"]},
    "tensorboard": {"type": "tensorboard", "path": "{dir}/gemma_tensorboard"},
    "parquet": {"type": "parquet", "path": "{dir}/{run}/parquet"},
    "jsonl": {"type": "jsonl", "path": "{dir}/{run}/events.jsonl"},
}
"""Handlers that the seed's sample names without spelling them out, with the seed's paths."""

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
"""What stands for a handler's class, by its last name."""

_PATH_KEYS = ("filename", "path", "file", "log_dir", "logdir", "directory")
_LOGGER_KEYS = ("level", "handlers", "propagate", "filters")
_DROPPED_KEYS = ("handlers", "formatters", "filters", "disable_existing_loggers", "incremental")
_LEVELS = {"10": "DEBUG", "20": "INFO", "30": "WARNING", "40": "ERROR", "50": "CRITICAL"} | {
    "WARN": "WARNING",
    "FATAL": "CRITICAL",
}
_CHAIN = ("redact_secrets", "tag_step", "flatten_rewards", "aggregate_metrics")


def is_dictconfig(raw: Mapping[str, Any]) -> bool:
    """Whether a configuration is written in dictConfig's words."""
    return any(key in raw for key in ("handlers", "formatters", "disable_existing_loggers"))


def translate(raw: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return the same configuration in logflume's words, with the journal added to every logger.

    Formatters and filters have no counterpart: the sinks format for themselves. Levels,
    handlers, `propagate`, `metrics` and any key of logflume's own are kept.

    Raises:
        ConfigError: A handler's class, a handler's name or a level is unknown.
    """
    result = {key: value for key, value in raw.items() if key not in _DROPPED_KEYS}
    sinks = {"jsonl": dict(_WELL_KNOWN["jsonl"])}
    for name, handler in mapping(raw.get("handlers"), join(where, "handlers")).items():
        sinks[str(name)] = _translate_handler(handler, join(where, f"handlers.{name}"))
    sinks |= mapping(raw.get("sinks"), join(where, "sinks"))
    root = _translate_logger(raw.get("root"), sinks, join(where, "root"))
    result["root"] = {"level": "INFO", **root, "sinks": _with_journal(root["sinks"])}
    result["loggers"] = {}
    for name, table in mapping(raw.get("loggers"), join(where, "loggers")).items():
        logger = _translate_logger(table, sinks, join(where, f"loggers.{name}"))
        if table is None or table.get("propagate", True):
            logger["sinks"] += [sink for sink in root["sinks"] if sink not in logger["sinks"]]
        logger["sinks"] = _with_journal(logger["sinks"])
        result["loggers"][str(name).removeprefix("logging.")] = logger
    result["sinks"] = sinks
    result.setdefault("processors", list(_CHAIN))
    return result


def _with_journal(names: list[str]) -> list[str]:
    return ["jsonl", *(name for name in names if name != "jsonl")]


def _translate_logger(raw: Any, sinks: dict[str, Any], where: str) -> dict[str, Any]:
    """Return level and sinks of a logger; a handler named for the first time is put in `sinks`."""
    table = mapping(raw, where)
    for key in table:
        if key not in _LOGGER_KEYS:
            raise config_error(
                join(where, key),
                "this key is unknown",
                allowed=", ".join(_LOGGER_KEYS),
                hint=nearest(str(key), _LOGGER_KEYS),
            )
    handlers: list[str] = read(table.get("handlers") or [], list[str], join(where, "handlers"))
    for name in handlers:
        if name not in sinks and name not in _WELL_KNOWN:
            known = {*sinks, *_WELL_KNOWN}
            raise config_error(
                join(where, "handlers"),
                f"there is no handler named {name!r}",
                allowed=", ".join(sorted(known)),
                hint=nearest(name, known),
            )
        sinks.setdefault(name, dict(_WELL_KNOWN.get(name, {})))
    return {**_translate_level(table, where), "sinks": list(handlers)}


def _translate_level(table: Mapping[Any, Any], where: str) -> dict[str, str]:
    """Return the level as a mapping of one, or of none where it is not set."""
    text = str(table.get("level", "NOTSET")).upper()
    if text in ("NOTSET", "0"):
        return {}
    raw = _LEVELS.get(text, table["level"])
    return {"level": read(raw, Level, join(where, "level"))}


def _translate_handler(raw: Any, where: str) -> dict[str, Any]:
    handler = mapping(raw, where)
    name = str(handler.get("class", "")).rpartition(".")[2]
    if name not in _CLASSES:
        raise config_error(
            join(where, "class"),
            f"no sink stands for {name!r}",
            allowed=", ".join(_CLASSES),
            hint=nearest(name, _CLASSES),
        )
    sink = {**_WELL_KNOWN[_CLASSES[name]], **_translate_level(handler, where)}
    if "events" in handler:
        sink["events"] = handler["events"]
    if path := next((handler[key] for key in _PATH_KEYS if handler.get(key)), None):
        sink["path"] = str(path)
    elif _CLASSES[name] == "file":
        raise config_error(where, "a file handler needs 'filename'")
    if isinstance(handler.get("buffer_size"), int):
        sink["queue"] = {"size": handler["buffer_size"]}
    return sink
