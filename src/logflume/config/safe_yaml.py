"""YAML that can do no harm: plain values only, and no more of them than a configuration has."""

from __future__ import annotations

from typing import Any

import yaml

__all__ = ["MAX_NODES", "load_yaml"]

MAX_NODES = 10_000
"""Keys and values of a file, those that an alias repeats counted each time."""


def load_yaml(text: str) -> Any:
    """Return what a YAML text holds.

    Tags that make objects (`!!python/object`) are refused. Aliases of aliases of aliases are, too:
    some lines of them stand for more values than any memory takes, once anything looks at all.

    Raises:
        yaml.YAMLError: It is not valid, or refused.
        ValueError: A value is not valid, such as the date 2026-13-01.
    """
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _count(node)
        return loader.construct_document(node)
    except RecursionError:
        raise yaml.YAMLError("it is nested too deeply") from None
    finally:
        loader.dispose()


def _count(root: yaml.Node) -> None:
    """Refuse more nodes than `MAX_NODES`, before anything is made of them."""
    open_nodes = [root]
    for _ in range(MAX_NODES):
        if not open_nodes:
            return
        node = open_nodes.pop()
        if isinstance(node, yaml.SequenceNode):
            open_nodes.extend(node.value)
        elif isinstance(node, yaml.MappingNode):
            open_nodes.extend(child for pair in node.value for child in pair)
    raise yaml.YAMLError(f"its aliases come to more than {MAX_NODES} values")
