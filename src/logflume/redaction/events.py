"""Which parts of an event are searched for secrets."""

from __future__ import annotations

from typing import Any

from logflume.redaction.values import redact_value

__all__ = [
    "ALWAYS_SEARCHED_EVENTS",
    "ALWAYS_SEARCHED_FIELDS",
    "MODEL_EVENTS",
    "MODEL_FIELDS",
    "redact_always",
]

ALWAYS_SEARCHED_EVENTS = frozenset({"run_started", "run_finished", "pipeline", "exception"})
"""Event types that are searched whether or not the processor is configured."""

ALWAYS_SEARCHED_FIELDS = frozenset(
    {
        *("args", "argv", "arguments", "cmd", "command", "command_line"),
        *("config", "configuration", "hparams", "hyperparameters", "options", "settings"),
        *("env", "environ", "environment"),
        *("exception", "exception/frames", "exception/message", "exception/traceback"),
        *("exc_info", "exception/type", "reason", "stack", "traceback"),
    }
)
"""Fields of every event that are searched whether or not the processor is configured."""

MODEL_EVENTS = frozenset({"model_output", "tokens"})
"""Event types whose texts a model wrote."""

MODEL_FIELDS = frozenset(
    {
        *("answer", "completion", "completions", "generated_text", "model_output", "output_text"),
        *("prompt", "prompts", "question", "reasoning", "response", "responses", "true_answer"),
        *("conversation", "messages", "prompt_messages", "tool_calls", "tools"),
        *("logprobs", "tokens", "top_logprobs"),
    }
)
"""Fields of every event that a model wrote or read."""


def redact_always(event: dict[str, Any]) -> None:
    """Replace the secrets that no event may contain: those of settings, commands and tracebacks.

    In an event of `ALWAYS_SEARCHED_EVENTS`, and in one with an exception, all texts are searched;
    in any other, only `ALWAYS_SEARCHED_FIELDS`.
    """
    event_type = event["event"]
    is_searched = event_type in ALWAYS_SEARCHED_EVENTS or (
        "exception/type" in event and event_type not in MODEL_EVENTS
    )
    for name, value in event.items():
        if isinstance(value, (str, list, dict)) and (
            name in ALWAYS_SEARCHED_FIELDS or (is_searched and name not in MODEL_FIELDS)
        ):
            event[name] = redact_value(name, value, search=True)
