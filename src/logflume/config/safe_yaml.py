"""Safe loading of YAML: plain values only, and a limited number of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import yaml

__all__ = ["MAX_NODES", "load_yaml"]

MAX_NODES = 10_000
"""Maximum number of keys and values in a file; each use of an alias counts."""


def load_yaml(text: str, report: Callable[[str], None]) -> Any:
    """Parse a YAML text.

    Tags that construct objects (`!!python/object`) are rejected. So are nested aliases that expand
    to too many values: a few lines of them can exceed any memory.

    Args:
        text: The text.
        report: Called with a sentence on each key that occurs twice in a mapping: YAML forbids it,
            and PyYAML would silently take the last one.

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
    """Return all nodes. Raises if there are more than `MAX_NODES`, before any is constructed."""
    pending = [root]
    nodes: list[yaml.Node] = []
    while pending:
        if len(nodes) == MAX_NODES:
            raise yaml.YAMLError(f"the document has more than {MAX_NODES} values, counting aliases")
        node = pending.pop()
        nodes.append(node)
        if isinstance(node, yaml.SequenceNode):
            pending.extend(node.value)
        elif isinstance(node, yaml.MappingNode):
            pending.extend(child for pair in node.value for child in pair)
    return nodes


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
