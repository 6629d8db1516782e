"""How a run is described: what `initialize` is given about it, and the fields of `run_started`."""

from __future__ import annotations

# `version` would import this at its first use, on the worker's thread. A process forked during an
# import inherits a partially initialized module that never completes.
import email.parser as _email_parser  # noqa: F401
import os
import platform
import shlex
import socket
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import msgspec
import psutil

from logflume.config.model import Config
from logflume.events.catalogue import SCHEMA_VERSION
from logflume.exceptions import ConfigError
from logflume.guard import Failure, call_guarded, type_name
from logflume.redaction.values import redact_value
from logflume.runs.description import RunDescription
from logflume.runtime.code_state import GitCommit
from logflume.values.plain import json_text, plain
from logflume.values.snapshot import snapshot

__all__ = ["describe_run", "read_description"]

MAX_HYPERPARAMETERS = 2_000
MAX_TAGS = 100
MAX_TEXT = 10_000
"""Maximum number of characters of a hyperparameter's text, of a tag, and of the notes."""

_SIMPLE = (bool, int, float, str)

_PACKAGES = (
    "logflume",
    "structlog",
    "pyarrow",
    "torch",
    "transformers",
    "trl",
    "accelerate",
    "peft",
    "vllm",
)


def read_description(hyperparameters: Any, tags: Any, notes: Any) -> RunDescription:
    """Return a description of plain values, without secrets.

    Args:
        hyperparameters: A mapping, also a nested one, or an object with fields: a dataclass, an
            `argparse.Namespace`, a pydantic model. None for none.
        tags: Texts.
        notes: A text, or None.

    Raises:
        ConfigError: An argument is invalid or too large.
    """
    return RunDescription(
        hyperparameters=_read_hyperparameters(hyperparameters),
        tags=_read_tags(tags),
        notes=_read_notes(notes),
    )


def _read_hyperparameters(given: Any) -> dict[str, Any]:
    if given is None:
        return {}
    copied = plain(snapshot(given))
    if not isinstance(copied, dict):
        raise ConfigError(
            f"hyperparameters: expected a mapping, found an object of the class {type_name(given)}"
            "\n  for example: initialize(hyperparameters={'lr': 1e-5, 'batch_size': 64})"
        )
    found = dict(_flatten(redact_value("hyperparameters", copied, search=True)))
    if len(found) > MAX_HYPERPARAMETERS:
        raise ConfigError(
            f"hyperparameters: {len(found):,} values\n  at most: {MAX_HYPERPARAMETERS:,}; log the "
            "others as an event"
        )
    return found


def _flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from _flatten(value, f"{prefix}{name}/")
        elif value is None or isinstance(value, _SIMPLE):
            yield prefix + name, value[:MAX_TEXT] if isinstance(value, str) else value
        else:
            yield prefix + name, json_text(value)[:MAX_TEXT]


def _read_tags(given: Any) -> tuple[str, ...]:
    tags = () if isinstance(given, (str, bytes, Mapping)) else call_guarded(_texts, given)
    if given is None:
        return ()
    if isinstance(tags, Failure) or (not tags and isinstance(given, (str, bytes, Mapping))):
        raise ConfigError(
            f"tags: expected a list of strings, found {plain(snapshot(given))!r:.200}\n"
            "  for example: initialize(tags=['baseline', 'gsm8k'])"
        )
    if len(tags) > MAX_TAGS:
        raise ConfigError(f"tags: {len(tags):,} tags\n  at most: {MAX_TAGS}")
    return tuple(dict.fromkeys(redact_value("tags", tag[:MAX_TEXT], search=True) for tag in tags))


def _texts(given: Iterable[Any]) -> tuple[str, ...]:
    texts = tuple(given)
    if not all(isinstance(text, str) for text in texts):
        raise TypeError
    return tuple(str(plain(text)) for text in texts)


def _read_notes(given: Any) -> str | None:
    if given is None:
        return None
    if not isinstance(given, str):
        raise ConfigError(f"notes: expected a string, found {plain(snapshot(given))!r:.200}")
    text: str = redact_value("notes", plain(given)[:MAX_TEXT], search=True)
    return text


def describe_run(config: Config, commit: GitCommit, description: RunDescription) -> dict[str, Any]:
    """Return the fields of `run_started`. Takes several milliseconds."""
    return {
        "schema_version": SCHEMA_VERSION,
        "config": msgspec.to_builtins(config, enc_hook=str),
        "command": shlex.join(sys.orig_argv),
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "cpu_count": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "memory_total_bytes": psutil.virtual_memory().total,
        "git_commit": commit.result(),
        "versions": {"python": platform.python_version(), **_versions()},
        **description.as_fields(),
    }


def _versions() -> dict[str, str]:
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions
