"""Takes tokens, keys and passwords out of events."""

from __future__ import annotations

import re
from typing import Any

from logflume.protocols import EventDict

__all__ = ["RedactSecrets"]

REDACTED = "[redacted]"

_SECRET_NAME = re.compile(
    r"(?:^|[_\-./ ])(?:token|password|passwd|passphrase|secret|api[_\-]?key|apikey|access[_\-]?key"
    r"|private[_\-]?key|secret[_\-]?key|credentials?|authorization|auth)$",
    re.IGNORECASE,
)
"""Names whose text is a secret: `hf_token`, `API_KEY`. Not `num_tokens` or `tokenizer`."""

_SECRET_TEXT = re.compile(
    r"""
      \bhf_[A-Za-z0-9]{20,}                          # Hugging Face
    | \bsk-[A-Za-z0-9_\-]{20,}                       # OpenAI, Anthropic and others
    | \bgh[pousr]_[A-Za-z0-9]{30,}                   # GitHub
    | \bgithub_pat_[A-Za-z0-9_]{30,}
    | \bglpat-[A-Za-z0-9_\-]{20,}                    # GitLab
    | \bxox[abposr]-[A-Za-z0-9\-]{10,}               # Slack
    | \b(?:AKIA|ASIA)[A-Z0-9]{16}\b                  # AWS key id
    | \bAIza[A-Za-z0-9_\-]{35}                       # Google
    | \beyJ[A-Za-z0-9_\-]{8,}\.eyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]*    # JSON web token
    | -----BEGIN[ ][A-Z ]*PRIVATE[ ]KEY-----.*?(?:-----END[ ][A-Z ]*PRIVATE[ ]KEY-----|\Z)
    | (?<=[Bb]earer[ ])[A-Za-z0-9._~+/\-]{16,}=*     # Authorization headers
    | (?<=://)[^/\s:@]+:[^/\s@]+(?=@)                # user:password in a URL
    """,
    re.VERBOSE | re.DOTALL,
)
"""Texts that are secrets by their form, wherever they stand."""

_ASSIGNMENT = re.compile(
    r"""((?:^|[\s"'&?;,{(]|--)(?:[\w.\-]*[_.\-])?(?:token|password|passwd|secret|api[_\-]?key|access[_\-]?key)
        ["']?\s*[=:]\s*["']?|(?:--[\w\-]*(?:token|password|secret|api[_\-]?key))[ ]+)
        ([^\s"'&;,})]{4,})""",
    re.VERBOSE | re.IGNORECASE,
)
"""`password=…`, `--hf-token …` or `"api_key": "…"` within a text."""

_FREE_TEXT = frozenset({"message", "exception", "run_started", "run_finished", "pipeline"})


class RedactSecrets:
    """A processor that replaces secrets with `[redacted]`.

    In every event the text of a field named like a secret (`api_key`, `hf_token`) is replaced.
    Messages, exceptions and the configuration are also searched for texts that
    look like one. Model outputs are not: they are data, and searching them would cost more than all
    the rest of the chain.

    Args:
        events: More event types whose texts are searched.
    """

    def __init__(self, *, events: list[str] | None = None) -> None:
        self._searched = _FREE_TEXT | frozenset(events or ())

    def __call__(self, _logger: Any, _method_name: str, event_dict: EventDict) -> EventDict:
        """Return the event without secrets."""
        search = event_dict.get("event") in self._searched or "exception/type" in event_dict
        for name, value in event_dict.items():
            if type(value) in (str, list, dict):
                event_dict[name] = _redact(name, value, search)
        return event_dict


def _redact(name: str, value: Any, search: bool) -> Any:
    if isinstance(value, str):
        if value and _SECRET_NAME.search(name):
            return REDACTED
        return redact_text(value) if search else value
    if isinstance(value, dict):
        return {key: _redact(str(key), item, search) for key, item in value.items()}
    if isinstance(value, list) and search:
        return [_redact(name, item, search) for item in value]
    return value


def redact_text(text: str) -> str:
    """Return a text with the secrets in it replaced.

    >>> redact_text("connecting with password=hunter22 to https://me:pw@host/x")
    'connecting with password=[redacted] to https://[redacted]@host/x'
    """
    text = _SECRET_TEXT.sub(REDACTED, text)
    return _ASSIGNMENT.sub(lambda match: match[1] + REDACTED, text)
