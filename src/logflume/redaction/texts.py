"""Replaces the secrets within a text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from logflume.redaction.field_names import FOREIGN_PASSWORDS, Secrecy, is_folder_or_number, secrecy
from logflume.redaction.patterns import pattern
from logflume.redaction.randomness import is_random
from logflume.redaction.rules import find_known
from logflume.threads import NATIVE_CALLS

__all__ = ["REDACTED", "redact_text"]

REDACTED = "[redacted]"

_SHORTEST = 8
"""Characters of the shortest text that can hold a secret and what it is recognized by."""

_JUDGED_BYTES = 80
"""The part of a value that decides whether it is a secret."""

_FOREIGN = re.sub(
    r"[^\x00-\x7f]",
    lambda match: rf"(?:{match[0]}|\\{{1,7}}u{ord(match[0]):04x})",
    FOREIGN_PASSWORDS,
)
"""Also as JSON escapes them, in a text in a text, too."""
_OWNER = r"(?:(?:access|account|api|auth|bearer|client|encryption|private|secret|security) )?"
_NAME = (
    rf"(?:passw(?:or)?ds?|pass_?phrases?|passcode|pwd|pw|code_verifier|{_FOREIGN}|secrets?|credentials?|creds"
    r"|auth|authorization|dsn|jwt|cookies?|sessionid|pass|connection_string|webhook_url)"
)
_LONG = r"(?:tokens?|keys?|pat|bearer|secret_key_base|client-key-data)"
"""The end of names whose secrets are long, so that fewer of them must be judged."""
_ASSIGN = (
    r"""\\{0,3}["']?\]?\s{0,3}"""
    r"""(?:=>|->|:=|=|:\s?[>|][+-]?\s{0,3}\n|:|\x{ff1a}|\x{2192}|\b(?:is|was)\b:?)\s{0,12}"""
)

_ASSIGNMENT = pattern(
    rf"""(?i)({_OWNER}[\w.-]*{_NAME})({_ASSIGN})"""
    rf"""|({_OWNER}[\w.-]*{_LONG})({_ASSIGN})\\{{0,3}}["']?[^\s"'&;,=]{{8}}"""
    rf"""|(--[\w-]*(?:{_NAME}|{_LONG}))( {{1,3}})[^\s-]"""
)
"""Where a text assigns a value to a name: `password=`, `"api_key": `, `--hf-token `."""

_VALUE = pattern(
    r"""\\{1,3}"([^"\\\n]{3,})|"((?:[^"\\\n]|\\.){3,})"""
    r"""|\\{1,3}'([^'\\\n]{3,})|'((?:[^'\\\n]|\\.){3,})"""
    r"""|([^\s"'&;,})\\][^\s"'&;,})\]\\]{3,})"""
)
_BARE = 5
_MAX_NAME_BYTES = 100
_LINE_ENDS = (b"", b"\n", b"\r")
_PROSE = (b":", "\uff1a".encode(), b"is", b"is:", b"was", b"was:")
_WORD = pattern(r"(?:[A-Z]?[a-z-]+|[A-Z-]+)[.:!?]*")
_PASSWORD = pattern(rf"(?i)[\w.-]*(?:passw(?:or)?ds?|pass_?phrase|passcode|{_FOREIGN})")

_NOT_SECRET = pattern(
    r"""(?is)"""
    r"""\[redacted.*"""
    r"""|!(?:vault|secret|env\w*|ref|sub)"""  # tags of YAML
    r"""|<[^>]*>.*|\{\w*\}?.*|%[(s].*|\*+|\.+|x+"""  # <token>, {token}, %s, ***, ...
    r"""|(?-i:\$\{?[A-Z_][A-Z0-9_]*\}?)|\$\(.*"""  # $HF_TOKEN, $(cat token)
    r"""|[a-z_][\w.]*[(\[{].*"""  # an expression: os.environ["KEY"]
    r"""|(?:self|cls|os|args|config|cfg|settings|env|secrets)\..*"""
    r"""|(?:[\w.]*_)?(?:tokens?|passw(?:or)?ds?|secrets?|keys?)"""  # password=password
    r"""|none|null|true|false|str|string|bytes|optional|required|basic|bearer|digest|negotiate"""
    r"""|[~./][\w./~-]*\.(?:pem|key|pub|crt|json|ya?ml|toml|txt|env|ini)"""  # where it is kept
)
"""Values that code and templates assign to such names, and that are not secrets."""


def redact_text(text: str) -> str:
    """Return a text with its secrets replaced.

    >>> redact_text("connecting with password=hunter22 to https://me:pw@host/x")
    'connecting with password=[redacted] to https://[redacted]@host/x'
    """
    if len(text) < _SHORTEST:
        return text
    encoded = text.encode("utf-8", "surrogatepass")
    with NATIVE_CALLS:
        spans = sorted([*find_known(encoded), *_find_assigned(encoded)])
    if not spans:
        return text
    pieces: list[bytes] = []
    end = 0
    for start, stop in spans:
        if start >= end:
            pieces += encoded[end:start], REDACTED.encode()
        end = max(end, stop)
    return b"".join([*pieces, encoded[end:]]).decode("utf-8", "surrogatepass")


def _find_assigned(text: bytes) -> Iterator[tuple[int, int]]:
    """Yield the spans of the values that are assigned to names of secrets."""
    end = 0
    while (match := _ASSIGNMENT.search(text, end)) is not None:
        NATIVE_CALLS.between()
        group = match.lastindex
        end = match.end(group)
        name, operator = match[group - 1].decode(), match[group]
        how = secrecy(name)
        if how is Secrecy.NONE:
            continue
        judged = _VALUE.match(text, end, end + _JUDGED_BYTES)
        if judged is None or not _is_secret(name, how, operator, judged):
            continue
        whole = _VALUE.match(text, end)
        span = whole.span(whole.lastindex)
        end = span[1]
        yield span


def _is_secret(name: str, how: Secrecy, operator: bytes, judged: Any) -> bool:
    value = judged[judged.lastindex]
    if _NOT_SECRET.fullmatch(value) or is_folder_or_number(name, value.decode(errors="replace")):
        return False
    if how is Secrecy.LIKELY:
        return is_random(value)
    # "The password: field" is prose.
    is_prose = judged.lastindex == _BARE and operator.strip() in _PROSE
    return not (is_prose and _WORD.fullmatch(value)) or _is_line(name, judged)


def _is_line(name: str, judged: Any) -> bool:
    """Whether a password and its value are a line of their own, as in YAML, or in its diff."""
    text, end = judged.string, judged.end()
    line = text[max(0, judged.start() - _MAX_NAME_BYTES) : end].rpartition(b"\n")[2]
    is_alone = line.lstrip(b" \t+-").startswith(name.encode()) and text[end : end + 1] in _LINE_ENDS
    return bool(is_alone and _PASSWORD.fullmatch(name.encode()))
