"""Replaces tokens, keys and passwords in events with `[redacted]`."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Sequence
from functools import lru_cache
from typing import Any

from logflume.protocols import EventDict

__all__ = ["RedactSecrets", "redact_text"]

REDACTED = "[redacted]"

_SECRET_NAME = re.compile(
    r"(?:^|[_\-./ ]|(?-i:(?<=[a-z])(?=[A-Z])))"
    r"(?:token|password|passwd|passphrase|secret|credentials?|authorization|auth"
    r"|(?:api|access|private|secret)[_\-]?key)$",
    re.IGNORECASE,
)
"""Field names whose text is a secret: `hf_token`, `API_KEY`. Not `num_tokens`, `tokenizer`."""

_SPECIAL = r"(?:bos|eos|pad|unk|sep|cls|mask|image|audio|video|start|end|stop|next|special)"
_SPECIAL_TOKEN = re.compile(rf"(?:^|[_\-./ ]){_SPECIAL}_?token$", re.IGNORECASE)
"""Names of a tokenizer's special tokens, such as `eos_token`, which are not secrets."""

_SECRET_TEXT = re.compile(
    r"""
      \bhf_[A-Za-z0-9]{20,}                          # Hugging Face
    | \bsk-(?=[A-Za-z_\-]{0,40}[0-9])[A-Za-z0-9_\-]{20,}     # OpenAI, Anthropic and others
    | \b(?:nvapi-|gsk_|r8_|pypi-|npm_)[A-Za-z0-9_\-]{30,}    # NVIDIA, Groq, Replicate, PyPI, npm
    | \b[rs]k_(?:live|test)_[A-Za-z0-9]{16,}         # Stripe
    | \bgh[pousr]_[A-Za-z0-9]{30,}                   # GitHub
    | \bgithub_pat_[A-Za-z0-9_]{30,}
    | \bglpat-[A-Za-z0-9_\-]{20,}                    # GitLab
    | \bxox[abposr]-[A-Za-z0-9\-]{10,}               # Slack
    | \b(?:AKIA|ASIA)[A-Z0-9]{16}\b                  # AWS key id
    | \bAIza[A-Za-z0-9_\-]{35,}                      # Google
    | \beyJ[\w\-]{8,4096}\.eyJ[\w\-]{8,4096}\.[\w\-]*        # JSON web token
    | -----BEGIN[ ][A-Z ]*PRIVATE[ ]KEY-----.*?(?:-----END[ ][A-Z ]*PRIVATE[ ]KEY-----|\Z)
    | (?<=[Bb]earer[ ])[A-Za-z0-9._~+/\-]{16,}=*     # Authorization headers
    | (?<=uthorization:[ ]Basic[ ])[A-Za-z0-9+/]{8,}=*
    | (?<=://)[^/\s:@"']*:[^/\s@"']+(?=@)            # user:password in a URL
    """,
    re.VERBOSE | re.DOTALL,
)
"""Secrets that are recognized by their form, anywhere in a text."""

_NAME = (
    r"(?:(?P<token>token)|password|passwd|passphrase|secret|(?:api|access|private|secret)[_\-]?key)"
)
_ASSIGNMENT = re.compile(
    rf"""
    (?: (?:(?<![A-Za-z0-9])|(?-i:(?<=[a-z])(?=[A-Z]))) {_NAME} \\?["']?\s{{0,3}}[=:]\s{{0,3}}
      | (?<![\w\-])--[\w\-]{{0,40}}?{_NAME.replace("?P<token>", "?P<option>")}[ ]{{1,3}} )
    (?: \\?(?P<quote>["'])(?P<quoted>[^"'\n]{{4,}}?)\\?(?P=quote) | (?P<bare>[^\s"'&;,}})]{{4,}}) )
    """,
    re.VERBOSE | re.IGNORECASE,
)
"""Assignments within a text: `password=…`, `--hf-token …`, `"api_key": "…"`."""

_NOT_SECRET = re.compile(
    r"""
      \[redacted\].*
    | <[^>]*>.* | \{\w*\}.* | %[(s].* | \*+ | \.+        # <token>, {token}, %s, ***, ...
    | (?-i:\$\{?[A-Z_][A-Z0-9_]*\}?)                  # $HF_TOKEN
    | [A-Za-z_][\w.]*[(\[{].*                          # an expression: os.environ["KEY"]
    | (?:self|cls|os|args|config|cfg|settings)\..*
    | (?:[\w.]*_)?(?:token|password|passwd|secret|key)     # password=password
    | none|null|true|false|str|string|bytes|optional|required
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
"""Values that code and templates assign to such names, and that are not secrets."""

_RANDOM = re.compile(r"(?=.*[0-9])(?=.*[A-Za-z]).{8,}|.{24,}", re.DOTALL)
_QUANTITY = re.compile(r"[\d.,]+(?:e[+-]?\d+)?[A-Za-z%/]*")

_CONTAINERS = frozenset({list, dict})
_CHECKED_TYPES = (str, list, dict)

_FREE_TEXT_EVENTS = frozenset({"message", "exception", "run_started", "run_finished", "pipeline"})


class RedactSecrets:
    """A processor that replaces secrets with `[redacted]`.

    In every event, the text of a field that is named like a secret (`api_key`, `hf_token`) is
    replaced. Messages, exceptions and the configuration are also searched for texts that look like
    a secret. Completions are not searched: they are data, and searching them would cost more than
    the rest of the processor chain.

    Args:
        events: Additional event types whose texts are searched.
    """

    detachable = True

    def __init__(self, *, events: list[str] | None = None) -> None:
        self._searched = _FREE_TEXT_EVENTS | frozenset(events or ())

    def __call__(self, _logger: Any, _method_name: str, event_dict: EventDict) -> EventDict:
        """Replace the secrets of the event."""
        search = self._is_searched(event_dict.get("event"), event_dict)
        for name, value in event_dict.items():
            if isinstance(value, _CHECKED_TYPES):
                event_dict[name] = _redact(str(name), value, search)
        return event_dict

    def process_columns(self, columns: dict[str, Sequence[Any]]) -> dict[str, Sequence[Any]]:
        """Replace the secrets of events by column."""
        search = self._is_searched(columns["event"][0], columns)
        for name, values in columns.items():
            if search or _is_secret_name(name) or _has_containers(values):
                columns[name] = [
                    _redact(name, value, search) if isinstance(value, _CHECKED_TYPES) else value
                    for value in values
                ]
        return columns

    def _is_searched(self, event_type: Any, names: Container[str]) -> bool:
        return event_type in self._searched or "exception/type" in names


def _redact(name: str, value: Any, search: bool) -> Any:
    if isinstance(value, str):
        if value and _is_secret_name(name):
            return REDACTED
        return redact_text(value) if search else value
    if isinstance(value, dict):
        return {key: _redact(str(key), item, search) for key, item in value.items()}
    if isinstance(value, list) and (search or _is_secret_name(name) or _has_containers(value)):
        return [_redact(name, item, search) for item in value]
    return value


def _has_containers(values: Iterable[Any]) -> bool:
    return not _CONTAINERS.isdisjoint(map(type, values))


@lru_cache(maxsize=4096)
def _is_secret_name(name: str) -> bool:
    return bool(_SECRET_NAME.search(name)) and not _SPECIAL_TOKEN.search(name)


def redact_text(text: str) -> str:
    """Return a text with its secrets replaced.

    >>> redact_text("connecting with password=hunter22 to https://me:pw@host/x")
    'connecting with password=[redacted] to https://[redacted]@host/x'
    """
    return _ASSIGNMENT.sub(_redact_assignment, _SECRET_TEXT.sub(REDACTED, text))


def _redact_assignment(match: re.Match[str]) -> str:
    group = "quoted" if match["quoted"] else "bare"
    value = match[group]
    # "token" is also an ordinary word: "loss per token: 0.25", "next token: Paris".
    is_word = match["token"] or match["option"]
    if _NOT_SECRET.fullmatch(value) or (is_word and not _looks_random(value)):
        return match[0]
    start, end = (position - match.start() for position in match.span(group))
    return match[0][:start] + REDACTED + match[0][end:]


def _looks_random(value: str) -> bool:
    return bool(_RANDOM.fullmatch(value)) and not _QUANTITY.fullmatch(value)
