"""Configurations written in the words of Python's `logging.config.dictConfig`.

The seed of this project was described in them: `handlers` with a `class`, `formatters`,
loggers named `logging.training`. They are translated to logflume's own words, and checked after.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from logflume.config.errors import config_error, nearest
from logflume.config.reader import join, mapping

__all__ = ["is_dictconfig", "translate"]

_KINDS = {
    "StreamHandler": "console",
    "FileHandler": "console",
    "RotatingFileHandler": "console",
    "TimedRotatingFileHandler": "console",
    "CSVHandler": "csv",
    "TensorBoardHandler": "tensorboard",
    "JSONLHandler": "jsonl",
    "JsonlHandler": "jsonl",
    "ParquetHandler": "parquet",
}
_PATH_KEYS = ("filename", "path", "file", "log_dir", "logdir", "directory")
_FILE_HANDLERS = ("FileHandler", "RotatingFileHandler", "TimedRotatingFileHandler")

_WELL_KNOWN: dict[str, dict[str, Any]] = {
    "console": {"type": "console"},
    "file": {"type": "console", "path": "{dir}/gemma_training.log"},
    "csv": {"type": "csv", "path": "{dir}/gemma_outputs.csv", "events": ["model_output"]},
    "tensorboard": {"type": "tensorboard", "path": "{dir}/gemma_tensorboard"},
    "parquet": {"type": "parquet", "path": "{dir}/{run}/parquet"},
}
"""Handlers that the seed's sample names without spelling them out, with the seed's paths."""

_JOURNAL = {"type": "jsonl", "path": "{dir}/{run}/events.jsonl"}


def is_dictconfig(raw: Mapping[str, Any]) -> bool:
    """Whether a configuration is written in dictConfig's words."""
    return any(key in raw for key in ("handlers", "formatters", "disable_existing_loggers"))


def translate(raw: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return the same configuration in logflume's words, with the journal added to every logger.

    Formatters and filters have no counterpart: the sinks format for themselves. Levels,
    handlers, `propagate`, `metrics` and any key of logflume's own are kept.

    Raises:
        ConfigError: A handler's class or a handler's name is unknown.
    """
    result = {
        key: value
        for key, value in raw.items()
        if key
        not in ("handlers", "formatters", "filters", "disable_existing_loggers", "incremental")
    }
    sinks = {"jsonl": dict(_JOURNAL)}
    for name, handler in mapping(raw.get("handlers"), join(where, "handlers")).items():
        sinks[str(name)] = _translate_handler(handler, join(where, f"handlers.{name}"))
    root = mapping(raw.get("root"), join(where, "root"))
    root_sinks = _find_sinks(root, sinks, join(where, "root"))
    result["root"] = {"level": root.get("level", "INFO"), "sinks": _with_journal(root_sinks)}
    result["loggers"] = {}
    for name, table in mapping(raw.get("loggers"), join(where, "loggers")).items():
        place = join(where, f"loggers.{name}")
        logger = mapping(table, place)
        names = _find_sinks(logger, sinks, place)
        if logger.get("propagate", True):
            names += [name for name in root_sinks if name not in names]
        level = {"level": logger["level"]} if "level" in logger else {}
        short = str(name).removeprefix("logging.")
        result["loggers"][short] = {**level, "sinks": _with_journal(names)}
    result["sinks"] = sinks
    result.setdefault("processors", ["tag_step", "flatten_rewards", "redact_secrets"])
    return result


def _with_journal(names: list[str]) -> list[str]:
    return ["jsonl", *(name for name in names if name != "jsonl")]


def _find_sinks(logger: Mapping[Any, Any], sinks: dict[str, Any], where: str) -> list[str]:
    names = [str(name) for name in logger.get("handlers") or []]
    for name in names:
        if name not in sinks:
            if name not in _WELL_KNOWN:
                known = {*sinks, *_WELL_KNOWN}
                raise config_error(
                    join(where, "handlers"),
                    f"there is no handler named {name!r}",
                    allowed=", ".join(sorted(known)),
                    hint=nearest(name, known),
                )
            sinks[name] = dict(_WELL_KNOWN[name])
    return names


def _translate_handler(table: Any, where: str) -> dict[str, Any]:
    handler = dict(mapping(table, where))
    handler.pop("formatter", None)
    handler.pop("filters", None)
    name = str(handler.pop("class", "")).rpartition(".")[2]
    if name not in _KINDS:
        raise config_error(
            join(where, "class"),
            f"no sink stands for {name!r}",
            allowed=", ".join(_KINDS),
            hint=nearest(name, _KINDS),
        )
    sink: dict[str, Any] = {"type": _KINDS[name]}
    for key in ("level", "events"):
        if key in handler:
            sink[key] = handler.pop(key)
    if path := next((handler[key] for key in _PATH_KEYS if handler.get(key)), None):
        sink["path"] = str(path)
    elif name in _FILE_HANDLERS:
        raise config_error(where, "a file handler needs 'filename'")
    if isinstance(handler.get("buffer_size"), int):
        sink["queue"] = {"size": handler["buffer_size"]}
    return sink
