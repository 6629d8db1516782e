"""What can be measured on one completion: format, correctness, repetition. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache

__all__ = [
    "distinct_share",
    "find_part",
    "has_format",
    "is_same",
    "repeated_share",
    "split_at_tags",
    "split_words",
]

Tags = tuple[str, ...]

# The exponent is short, for `Decimal` refuses those that it can't hold.
_NUMBER = re.compile(
    r"([-+]?)\$?((?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d*)?|\.\d+)([eE][-+]?\d{1,4})?", re.ASCII
)


def find_part(text: str, tag: str) -> str | None:
    """Return the text between the first `<tag>` and the next `</tag>`; None if missing or blank.

    >>> find_part("so <answer> 7 </answer>", "answer")
    '7'
    """
    _, _, rest = text.partition(f"<{tag}>")
    part, closing, _ = rest.partition(f"</{tag}>")
    return part.strip() or None if closing else None


def split_at_tags(text: str, tags: Tags) -> list[str]:
    """Return what stands between the opening and closing marks of some tags, and the marks.

    >>> split_at_tags("so <answer>4", ("answer",))
    ['so ', '<answer>', '4']
    """
    return _marks(tags).split(text)


def has_format(pieces: Sequence[str], first: str, second: str) -> bool:
    """Whether a text has one part in tags `first`, then one in tags `second`, none of them blank.

    The text comes in the pieces that `split_at_tags` makes of it.

    Each of the four tags has to be there exactly once, so a tag that is repeated, left open or
    put inside the other part breaks the format. Text around the parts doesn't.
    """
    return pieces[1::2] == _order(first, second) and bool(pieces[2].strip() and pieces[6].strip())


@lru_cache
def _order(first: str, second: str) -> list[str]:
    return [f"<{first}>", f"</{first}>", f"<{second}>", f"</{second}>"]


def is_same(answer: str, truth: str) -> bool:
    """Whether two answers are equal: as numbers if both are one, else but for white space.

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
    """Return what stands between white space; each tag is a word of its own.

    A model that repeats a tag leaves no space between: it would be one long word.

    >>> split_words(split_at_tags("4 </answer></answer>", ("answer",)))
    ['4', '</answer>', '</answer>']
    """
    return " ".join(pieces).split()


@lru_cache
def _marks(tags: Tags) -> re.Pattern[str]:
    return re.compile(f"(</?(?:{'|'.join(map(re.escape, tags))})>)")


def repeated_share(words: Sequence[str], length: int) -> float | None:
    """Return the share of n-grams that occurred before, in [0, 1); None for fewer than two n-grams.

    It is 1 - |distinct n-grams| / |n-grams|, the seq-rep-n of Welleck et al. 2020, "Neural Text
    Generation with Unlikelihood Training" (arXiv:1908.04319), over words in place of tokens.

    >>> repeated_share("a b a b a".split(), 2)
    0.5
    """
    return None if len(words) <= length else 1 - _distinct(words, length)


def distinct_share(words: Sequence[str], length: int) -> float | None:
    """Return the share of distinct n-grams among all, in (0, 1]; None where there is no n-gram.

    The distinct-n of Li et al. 2016, "A Diversity-Promoting Objective Function for Neural
    Conversation Models" (arXiv:1510.03055), of one text and divided by its n-grams.

    >>> distinct_share("a b a b a".split(), 2)
    0.5
    """
    return None if len(words) < length else _distinct(words, length)


def _distinct(words: Sequence[str], length: int) -> float:
    starts = [words[start:] for start in range(length)]
    return len(set(zip(*starts, strict=False))) / (len(words) - length + 1)


def _as_number(text: str) -> Decimal | None:
    """Return a number as people and programs write it: `1,000`, `-$5`, `.5`, `1e-3`."""
    # A cache must not keep long texts alive.
    return _read_number(text) if len(text) < 40 else _read_number.__wrapped__(text)


@lru_cache(maxsize=1024)
def _read_number(text: str) -> Decimal | None:
    found = _NUMBER.fullmatch(text)
    if found is None:
        return None
    sign, digits, exponent = found.groups(default="")
    return Decimal(sign + digits.replace(",", "") + exponent)
