"""Measures of a single completion: format, correctness, repetition."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache

__all__ = [
    "distinct_share",
    "find_tagged",
    "has_format",
    "is_same",
    "repeated_share",
    "split_at_tags",
    "split_words",
]

Tags = tuple[str, ...]

# The exponent is limited to four digits because `Decimal` rejects those that it can't represent.
_NUMBER = re.compile(
    r"([-+]?)\$?((?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d*)?|\.\d+)([eE][-+]?\d{1,4})?", re.ASCII
)


def find_tagged(text: str, tag: str) -> str | None:
    """Return the text between the first `<tag>` and the next `</tag>`; None if missing or blank.

    >>> find_tagged("so <answer> 7 </answer>", "answer")
    '7'
    """
    _, _, rest = text.partition(f"<{tag}>")
    content, closing, _ = rest.partition(f"</{tag}>")
    return content.strip() or None if closing else None


def split_at_tags(text: str, tags: Tags) -> list[str]:
    """Split a text at the opening and closing tags of the given names; the tags are kept.

    >>> split_at_tags("so <answer>4", ("answer",))
    ['so ', '<answer>', '4']
    """
    return _tag_pattern(tags).split(text)


def has_format(pieces: Sequence[str], first: str, second: str) -> bool:
    """Whether a text has one section in tags `first`, then one in tags `second`, neither blank.

    Each of the four tags must occur exactly once, so a tag that is repeated, left open or nested
    in the other section breaks the format. Text around the sections doesn't.

    Args:
        pieces: The text as split by `split_at_tags`.
        first: Name of the tags of the first section.
        second: Name of the tags of the second section.
    """
    tags = [f"<{first}>", f"</{first}>", f"<{second}>", f"</{second}>"]
    return pieces[1::2] == tags and bool(pieces[2].strip() and pieces[6].strip())


def is_same(answer: str, truth: str) -> bool:
    """Whether two answers are equal: as numbers if both are numbers, else as text.

    Differences in white space are ignored.

    >>> is_same("$1,000", "1000.0"), is_same("a  b", "a b"), is_same("about 7", "7")
    (True, True, False)
    """
    if answer == truth:
        return True
    answer, truth = " ".join(answer.split()), " ".join(truth.split())
    if answer == truth:
        return True
    number = _as_number(answer)
    return number is not None and number == _as_number(truth)


def split_words(pieces: Sequence[str]) -> list[str]:
    """Split a text into words at white space; each tag is a word of its own.

    A model that repeats a tag leaves no space in between, which would otherwise be one long word.

    >>> split_words(split_at_tags("4 </answer></answer>", ("answer",)))
    ['4', '</answer>', '</answer>']
    """
    return " ".join(pieces).split()


@lru_cache
def _tag_pattern(tags: Tags) -> re.Pattern[str]:
    return re.compile(f"(</?(?:{'|'.join(map(re.escape, tags))})>)")


def repeated_share(words: Sequence[str], length: int) -> float | None:
    """Return the share of n-grams that occurred before, in [0, 1); None for fewer than two n-grams.

    It is 1 - |distinct n-grams| / |n-grams|, the seq-rep-n of Welleck et al. 2020, "Neural Text
    Generation with Unlikelihood Training" (arXiv:1908.04319), over words instead of tokens.

    >>> repeated_share("a b a b a".split(), 2)
    0.5
    """
    return None if len(words) <= length else 1 - _distinct(words, length)


def distinct_share(words: Sequence[str], length: int) -> float | None:
    """Return the share of distinct n-grams among all, in (0, 1]; None if there is no n-gram.

    This is the distinct-n of Li et al. 2016, "A Diversity-Promoting Objective Function for Neural
    Conversation Models" (arXiv:1510.03055), for a single text and divided by its n-grams.

    >>> distinct_share("a b a b a".split(), 2)
    0.5
    """
    return None if len(words) < length else _distinct(words, length)


def _distinct(words: Sequence[str], length: int) -> float:
    shifted = [words[start:] for start in range(length)]
    return len(set(zip(*shifted, strict=False))) / (len(words) - length + 1)


def _as_number(text: str) -> Decimal | None:
    """Parse a number as people and programs write it: `1,000`, `-$5`, `.5`, `1e-3`."""
    match = _NUMBER.fullmatch(text)
    if match is None:
        return None
    sign, digits, exponent = match.groups(default="")
    return Decimal(sign + digits.replace(",", "") + exponent)
