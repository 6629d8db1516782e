"""Whether a text looks random, as keys and passwords do, and words, versions and numbers don't."""

from __future__ import annotations

from collections import Counter
from math import log2

from logflume.redaction.letter_pairs import name_bits
from logflume.redaction.patterns import pattern

__all__ = ["entropy", "is_mixed", "is_random"]

_RUN = pattern(r"[A-Za-z0-9]{10,}")
_UUID = pattern(r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b")
_MIN_ENTROPY_BITS = 3.0
"""Bits per character from which text looks random: words have fewer."""

_TOKEN = pattern(r"[A-Za-z0-9][A-Za-z0-9_-]{15,}")
_PART = pattern(r"[A-Za-z0-9]+")
_SHORTEST_PART = 5
"""Characters that the parts between hyphens have on average; each is one of 64 in a random text."""


def is_random(text: bytes) -> bool:
    """Whether a text has a part that looks random, such as a key, a hash or a UUID."""
    return bool(_UUID.search(text)) or any(map(_is_hash, _RUN.findall(text))) or is_mixed(text)


def _is_hash(run: bytes) -> bool:
    return not (run.isalpha() or run.isdigit()) and entropy(run) >= _MIN_ENTROPY_BITS


def is_mixed(text: bytes) -> bool:
    """Whether a text has a long part of random capitals and small letters, unlike hashes."""
    return any(map(_is_mixed_token, _TOKEN.findall(text)))


def _is_mixed_token(token: bytes) -> bool:
    if token.islower() or token.isupper():
        return False
    parts = _PART.findall(token)
    is_long = len(token) >= _SHORTEST_PART * len(parts)
    return is_long and sum(map(name_bits, parts)) < 0


def entropy(text: bytes) -> float:
    """Return the Shannon entropy in bits per byte."""
    if not text:
        return 0.0
    repeated = (count for count in Counter(text).values() if count > 1)
    return log2(len(text)) - sum(count * log2(count) for count in repeated) / len(text)
