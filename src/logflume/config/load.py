"""Loads a `Config` from a YAML file, the name of a shipped configuration or a dict."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path, PurePath
from types import NoneType
from typing import Any

import yaml

from logflume.config.components import check_components, move_to_caller, without_imports
from logflume.config.dictconfig import is_dictconfig, translate
from logflume.config.errors import ErrorList, config_error, nearest, unknown_error
from logflume.config.model import SINK_KEYS, Config, Level, SinkConfig
from logflume.config.paths import PathCheck, check_paths
from logflume.config.reader import join, mapping, read, read_valid
from logflume.config.registry import SINKS, registered
from logflume.exceptions import ConfigError
from logflume.guard import type_name
from logflume.protocols import Sink

__all__ = ["load_config", "shipped_configs"]


def shipped_configs() -> dict[str, Any]:
    """Return the configurations that are shipped with logflume, by name."""
    folder = files("logflume.configs")
    return {Path(item.name).stem: item for item in folder.iterdir() if item.name.endswith(".yaml")}


def load_config(
    source: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    *,
    run: str | None = None,
    dir: str | os.PathLike[str] | None = None,  # noqa: A002 - the key's name in the YAML
    level: str | None = None,
    paths: PathCheck = PathCheck.KIND,
    may_import: Callable[[str], bool] | None = None,
) -> Config:
    """Load and check a configuration, and the paths in it.

    Args:
        source: Path of a YAML file, name of a shipped configuration (`gemma`), or a dict of the
            same shape. None uses `LOGFLUME_CONFIG`, or else `default`.
        run: Overrides `LOGFLUME_RUN`, which overrides `run` in the file.
        dir: Overrides `LOGFLUME_DIR`, which overrides `dir` in the file.
        level: Level of the root logger, and of all loggers without a level of their own. Overrides
            `LOGFLUME_LEVEL`, which overrides the file.
        paths: How to check the paths of sinks and runs.
        may_import: If given, it is called with the name of each component that would have to be
            imported; where it returns False, the component is left out.

    Raises:
        ConfigError: The configuration is invalid; the message says where each error is and how to
            fix it.
    """
    errors = ErrorList()
    if source is None:
        source = os.environ.get("LOGFLUME_CONFIG") or "default"
    if isinstance(source, Mapping):
        raw, where = dict(source), "configuration:"
    else:
        _check_argument("config", source, "a path, a name, or a dict", (str, os.PathLike))
        raw, where = _read_yaml(os.fspath(source), errors)
    _check_argument("run", run, "a string", (str, NoneType))
    _check_argument("dir", dir, "a path", (str, os.PathLike, NoneType))
    if is_dictconfig(raw):
        raw = translate(raw, where, errors)
    if isinstance(source, Mapping):
        _check_keys(raw, errors)
    config = _read_config(raw, where, errors)
    config.run = run or os.environ.get("LOGFLUME_RUN") or config.run
    if chosen := level or os.environ.get("LOGFLUME_LEVEL"):
        with errors:
            config.root.level = read(chosen, Level, "level" if level else "LOGFLUME_LEVEL")
    for name, logger in config.loggers.items():
        if "level" not in (raw["loggers"][name] or {}):
            logger.level = config.root.level
    if may_import is not None:
        config = without_imports(config, may_import)
    check_components(config, where, errors)
    where_dir = join(where, "dir")
    if dir is not None:
        config.dir, where_dir = str(dir), "dir"
    elif folder := os.environ.get("LOGFLUME_DIR"):
        config.dir, where_dir = folder, "LOGFLUME_DIR"
    check_paths(config, where, where_dir, errors, paths)
    errors.raise_any()
    return move_to_caller(config)


def _check_argument(name: str, value: Any, expected: str, types: tuple[type, ...]) -> None:
    if not isinstance(value, types):
        raise ConfigError(f"{name}: expected {expected}, found {value!r:.200}")


_HYPERPARAMETERS = (
    "  to record hyperparameters with the run: initialize(hyperparameters={{{example}}})"
)


def _check_keys(raw: Mapping[Any, Any], errors: ErrorList) -> None:
    """Point out the argument for hyperparameters, where a dict seems to hold some.

    Raises:
        ConfigError: No key of the dict is one of a configuration.
    """
    unknown = [key for key in raw if key not in Config.__struct_fields__]
    unlike = [key for key in unknown if not nearest(str(key), Config.__struct_fields__)]
    if not unlike:  # a misspelt key is reported as such
        return
    hint = _HYPERPARAMETERS.format(example=f"{unlike[0]!r:.40}: …")
    if len(unlike) == len(raw):
        names = ", ".join(f"{key!r:.40}" for key in unknown[:5]) + (", …" if unknown[5:] else "")
        raise ConfigError(
            f"configuration: unknown keys: {names}\n"
            f"  allowed: {', '.join(Config.__struct_fields__)}\n{hint}"
        )
    with errors:
        raise ConfigError(f"configuration: there are unknown keys\n{hint}")


def _read_yaml(source: str, errors: ErrorList) -> tuple[dict[str, Any], str]:
    path = Path(source)
    shipped = shipped_configs()
    text_file = path if path.is_file() else shipped.get(source)
    if text_file is None:
        raise config_error(
            source,
            "no such file or shipped configuration",
            allowed=f"a path, or one of {', '.join(sorted(shipped))}",
            hint=nearest(source, shipped),
        )

    def report(problem: str) -> None:
        with errors:
            raise config_error(source, problem)

    try:
        raw = _parse_yaml(text_file.read_text(encoding="utf-8"), report)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{source}: can't be read: {error}") from error
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date like 2026-13-01
        raise ConfigError(f"{source}: invalid YAML: {error}") from error
    if raw is None:
        raise ConfigError(f"{source}: the file is empty, so no events would be written")
    return dict(mapping(raw, f"{source}:")), f"{source}:"


def _parse_yaml(text: str, report: Callable[[str], None]) -> Any:
    """Parse a YAML text.

    Tags that construct objects (`!!python/object`) are rejected.

    Args:
        text: The text.
        report: Called with a sentence about each duplicate key of a mapping: YAML forbids them, and
            PyYAML would silently use the last one.

    Raises:
        yaml.YAMLError: The text is invalid or rejected.
        ValueError: A value is invalid, such as the date 2026-13-01.
    """
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        for mapping in _all_nodes(node):
            if isinstance(mapping, yaml.MappingNode):
                _report_duplicates(mapping, loader, report)
        return loader.construct_document(node)
    except RecursionError:
        raise yaml.YAMLError("the document is nested too deeply") from None
    finally:
        loader.dispose()


def _all_nodes(root: yaml.Node) -> list[yaml.Node]:
    """Return all nodes, each once even if aliases refer to it."""
    pending = [root]
    nodes: dict[int, yaml.Node] = {}
    while pending:
        node = pending.pop()
        if id(node) in nodes:
            continue
        nodes[id(node)] = node
        if isinstance(node, yaml.SequenceNode):
            pending.extend(node.value)
        elif isinstance(node, yaml.MappingNode):
            pending.extend(child for pair in node.value for child in pair)
    return list(nodes.values())


def _report_duplicates(
    mapping: yaml.MappingNode, loader: yaml.SafeLoader, report: Callable[[str], None]
) -> None:
    lines: dict[Any, int] = {}
    for key, _ in mapping.value:
        if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
            continue
        name = loader.construct_object(key)  # `1` and `0x1` are one key
        line = key.start_mark.line + 1
        if name in lines:
            report(f"line {line}: duplicate key {name!r}, also in line {lines[name]}")
        lines.setdefault(name, line)


def _read_config(raw: dict[str, Any], where: str, errors: ErrorList) -> Config:
    without_sinks = {k: v for k, v in raw.items() if k != "sinks"}
    config: Config = read_valid(without_sinks, Config, where, errors)
    with errors:
        raw_sinks = mapping(raw.get("sinks"), join(where, "sinks"))
        for name, table in raw_sinks.items():
            with errors:
                config.sinks[str(name)] = _read_sink(str(name), table, join(where, f"sinks.{name}"))
        _check_sink_names(config, [str(name) for name in raw_sinks], where, errors)
    return config


def _read_sink(name: str, table: Any, where: str) -> SinkConfig:
    if isinstance(table, type):
        raise config_error(where, f"expected an object, found its class: write {table.__name__}()")
    if not isinstance(table, Mapping) and isinstance(table, Sink):
        return SinkConfig(type=name, instance=table)
    if missing := _missing_methods(table):
        problem = f"an object of the class {type_name(table)} is not a sink: it has no {missing}"
        raise config_error(where, f"{problem}. A sink has the methods {', '.join(_SINK_METHODS)}")
    common: dict[str, Any] = {"type": name}
    options: dict[str, Any] = {}
    fields = mapping(table, where)
    for key, value in fields.items():
        target = common if key in SINK_KEYS else options
        # Paths become texts: for the worker process, and because only texts have placeholders.
        target[key] = str(value) if isinstance(value, PurePath) else value
    common["type"] = read(common["type"], str, join(where, "type"))
    sink: SinkConfig = read(common, SinkConfig, where)
    sink.options = options
    if "type" not in fields:
        _check_type(name, options, where)
    return sink


_SINK_METHODS = ("write", "flush", "close")


def _missing_methods(table: Any) -> str | None:
    """Return which methods of a sink an object lacks; None for a value that YAML may have."""
    if table is None or isinstance(table, (Mapping, str, bool, int, float, Sequence)):
        return None
    return " and no ".join(
        f"`{name}`" for name in _SINK_METHODS if not callable(getattr(table, name, None))
    )


def _check_type(name: str, options: Mapping[Any, Any], where: str) -> None:
    """Check that the name of a sink without a type is that of a component, or similar to one.

    Raises:
        ConfigError: It isn't, so that a type is missing, or its key is misspelt.
    """
    known = registered(SINKS)
    if name in known or ":" in name:
        return
    for key in options:
        if nearest(str(key), ["type"]):
            raise unknown_error(f"{where}.{key}", "unknown key", key, SINK_KEYS)
    if not nearest(name, known):
        problem = f"it has no key 'type', and no component is registered as {name!r}"
        raise config_error(where, problem, allowed=", ".join(sorted(known)))


def _check_sink_names(config: Config, known: list[str], where: str, errors: ErrorList) -> None:
    loggers = {"root": config.root, **{f"loggers.{k}": v for k, v in config.loggers.items()}}
    for key, logger in loggers.items():
        for name in logger.sinks or []:
            if name not in known:
                with errors:
                    raise config_error(
                        join(where, f"{key}.sinks"),
                        f"there is no sink named {name!r}",
                        allowed=", ".join(known) or "none: the section `sinks` is empty",
                        hint=nearest(name, known),
                    )
