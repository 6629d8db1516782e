"""The configuration reference, generated from the model of the configuration and the components."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import entry_points
from importlib.resources import files
from typing import Any

import msgspec

from logflume.config import model
from logflume.config.model import Config
from logflume.config.registry import PROCESSORS, SINKS
from logflume.events.reserved import LEVELS
from tests.docs.tables import code, table

__all__ = ["configuration_page"]

_INTRODUCTION = """# Configuration

This page is generated from the model of the configuration and the registered components.
`initialize()` takes nothing (the default below), the name of a shipped configuration ({names}),
the path of a YAML file, or a dict of the same shape.
[Getting started](../getting-started.md#configure-it) shows a short one.

All that is wrong in a file is reported in one error, with the place, the value, what is allowed
and the nearest name. That includes keys that occur twice, two sinks on one path, and paths that
lead to anything but a regular file: a named pipe, a device, a folder, an address such as `s3://…`.
`logflume config check FILE` reports the same without starting anything, and folders that can't be
written to. A configuration can run code, by `package.module:Name`; `config check` imports such
a module only if you name the component: `--import package.module:Name`.

## Environment variables

| variable | meaning |
|---|---|
| `LOGFLUME_CONFIG` | used by `initialize()` without a configuration |
| `LOGFLUME_RUN` | the run id |
| `LOGFLUME_DIR` | the folder of the runs |
| `LOGFLUME_LEVEL` | the level of the root logger |
| `NO_COLOR`, `COLUMNS` | colours and width of what the console and the commands print |

In a path, `{{dir}}` is the folder of the runs and `{{run}}` the run id. A configuration in the
form of Python's `dictConfig` (`handlers`, `class: logging.StreamHandler`) is accepted, too.

## The default

```text
{default}```

## Keys

"""

_SECTIONS: dict[str, Any] = {
    "": Config,
    "buffer": model.BufferConfig,
    "root, loggers.<name>": model.LoggerConfig,
    "sinks.<name>": model.SinkConfig,
    "sinks.<name>.queue": model.QueueConfig,
    "metrics": model.MetricsConfig,
    "stdlib": model.StdlibConfig,
}
_NOT_KEYS = {"options", "instance"}
"""Fields of the model that are no keys: a sink's own options stand beside its keys."""

_COMPONENTS = (
    "The parameters are the options, but for `run`, which logflume passes. An option without a "
    "default is required."
)

_OPTIONS = """
    options:
      show_root_heading: false
      show_root_toc_entry: false
      members: []
"""


def configuration_page() -> str:
    """Return the page as Markdown."""
    folder = files("logflume.configs")
    shipped = sorted(file.name for file in folder.iterdir() if file.name.endswith(".yaml"))
    names = ", ".join(code(name.removesuffix(".yaml")) for name in shipped)
    introduction = _INTRODUCTION.format(
        names=names, default=(folder / "default.yaml").read_text(encoding="utf-8")
    )
    keys = [_section(where, section) for where, section in _SECTIONS.items()]
    components = [*_components("Sinks", SINKS), *_components("Processors", PROCESSORS)]
    return introduction + "\n".join([*keys, *components])


def _section(where: str, section: Any) -> str:
    """Return the table of a section's keys."""
    components = msgspec.json.schema_components([section])[1]
    properties = components[section.__name__]["properties"]
    meanings = _attributes(section)
    rows = [
        [code(name), _type(schema, components), _default(schema), meanings.get(name) or _see(name)]
        for name, schema in properties.items()
        if name not in _NOT_KEYS
    ]
    title = f"### {code(where)}" if where else "### Top level"
    summary = (section.__doc__ or "").partition("\n")[0]
    return f"{title}\n\n{summary}\n\n" + table(["key", "type", "default", "meaning"], rows)


def _see(name: str) -> str:
    """Return a reference to the table of a section's keys."""
    return next((f"see `{where}` below" for where in _SECTIONS if name in where), "")


def _attributes(section: Any) -> dict[str, str]:
    """Return the meanings of the fields, from the docstring; None is `null` in YAML."""
    found = re.finditer(r"^ {8}(\w+): (.*(?:\n {12}.*)*)", section.__doc__ or "", re.MULTILINE)
    meanings = {match[1]: " ".join(match[2].split()) for match in found}
    return {name: re.sub(r"\bNone\b", "`null`", meaning) for name, meaning in meanings.items()}


def _type(schema: dict[str, Any], components: dict[str, Any]) -> str:
    """Return the type of a key, with its limits."""
    if "anyOf" in schema:
        return " or ".join(_type(choice, components) for choice in schema["anyOf"])
    if "allOf" in schema:
        return _type(schema["allOf"][0], components)
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return _type(components[name], components) if "enum" in components[name] else "mapping"
    if "enum" in schema:
        choices = sorted(map(str, schema["enum"]), key=lambda name: LEVELS.get(name.lower(), 0))
        return ", ".join(map(code, choices))
    limits = [f"≥ {schema['minimum']:g}"] if "minimum" in schema else []
    limits += [f"> {schema['exclusiveMinimum']:g}"] if "exclusiveMinimum" in schema else []
    names = {"object": "mapping", "array": "list", "string": "text", "boolean": "true, false"}
    kind = schema.get("type", "any")
    return " ".join([names.get(kind, kind), *limits])


def _default(schema: dict[str, Any]) -> str:
    """Return the default of a key; empty for the sections, whose tables have their own."""
    default = schema.get("default", "")
    return "" if default in ("", {}) else code(msgspec.json.encode(default).decode())


def _components(title: str, group: str) -> Iterator[str]:
    """Yield the reference of the registered components of a group."""
    yield f"\n## {title}\n\n{_COMPONENTS}\n"
    for entry in sorted(entry_points(group=group), key=lambda entry: entry.name):
        if not entry.value.startswith("logflume."):
            continue  # of another package in this environment
        path = entry.value.replace(":", ".")
        yield f"### {code(entry.name)}\n\n::: {path}{_OPTIONS}"
