"""Definitions of the tools that a trainer offers to the model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from logflume.guard import Failure, call_guarded
from logflume.training.message_json import messages_json
from logflume.values.plain import to_plain

__all__ = ["tool_definitions"]


def tool_definitions(trainer: Any, rows: int) -> list[str | None] | None:
    """Return the definitions of the tools in each prompt, as JSON text; None without tools.

    With several environments, each row has the tools of its own.

    Args:
        trainer: The trainer, of which `tools` are the functions.
        rows: The number of completions.
    """
    tools = getattr(trainer, "tools", None)
    if not tools:
        return None
    by_environment = getattr(trainer, "_env_tools", None)
    environments = getattr(trainer, "_batch_environments", None)
    if isinstance(by_environment, dict) and isinstance(environments, list):
        texts = {name: _definitions(of_one) for name, of_one in by_environment.items()}
        return [texts.get(name) for name in environments]
    return [_definitions(tools)] * rows


def _definitions(tools: Sequence[Any]) -> str | None:
    return messages_json([_definition(tool) for tool in tools]).text if tools else None


def _definition(tool: Any) -> Any:
    """Return the definition of a tool as chat templates get it."""
    if not callable(tool):
        return to_plain(tool)
    made = call_guarded(_json_schema, tool)
    if not isinstance(made, Failure):
        return to_plain(made)
    # transformers wants type hints and a docstring with all arguments.
    return {"name": getattr(tool, "__name__", type(tool).__name__), "description": tool.__doc__}


@lru_cache(maxsize=256)
def _json_schema(tool: Callable[..., Any]) -> Any:
    from transformers.utils.chat_template_utils import get_json_schema

    return get_json_schema(tool)
