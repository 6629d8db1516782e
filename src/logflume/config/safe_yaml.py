"""Safe loading of YAML: plain values only, and a limited number of them."""

from __future__ import annotations

from typing import Any

import yaml

__all__ = ["MAX_NODES", "load_yaml"]

MAX_NODES = 10_000
"""Maximum number of keys and values in a file; each use of an alias counts."""


def load_yaml(text: str) -> Any:
    """Parse a YAML text.

    Tags that construct objects (`!!python/object`) are rejected. So are nested aliases that expand
    to too many values: a few lines of them can exceed any memory.

    Raises:
        yaml.YAMLError: The text is invalid or rejected.
        ValueError: A value is invalid, such as the date 2026-13-01.
    """
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _check_size(node)
        return loader.construct_document(node)
    except RecursionError:
        raise yaml.YAMLError("the document is nested too deeply") from None
    finally:
        loader.dispose()


def _check_size(root: yaml.Node) -> None:
    """Raise if there are more nodes than `MAX_NODES`, before any value is constructed."""
    pending = [root]
    for _ in range(MAX_NODES):
        if not pending:
            return
        node = pending.pop()
        if isinstance(node, yaml.SequenceNode):
            pending.extend(node.value)
        elif isinstance(node, yaml.MappingNode):
            pending.extend(child for pair in node.value for child in pair)
    raise yaml.YAMLError(f"the document has more than {MAX_NODES} values, counting aliases")
