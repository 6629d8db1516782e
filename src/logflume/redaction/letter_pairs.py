"""Whether letters and digits are more likely a name or drawn at random, by their pairs.

In words and names some characters often follow each other, as in `th` or `on`, and others never do.
`_TABLE` has, for each pair, the logarithm of how much more often it is in names than in a random
text. It was counted in the sources of torch, transformers, trl, datasets, numpy, pandas, sympy and
matplotlib:

    python -m logflume.redaction.letter_pairs FOLDER ...
"""

from __future__ import annotations

import re
import string
import sys
from collections import Counter
from itertools import pairwise
from math import log2
from pathlib import Path

__all__ = ["name_bits"]

_CLASSES = string.ascii_lowercase + "0"
"""Capitals count as small letters, and all digits as one."""
_TO_CLASS = bytes.maketrans(
    (string.ascii_uppercase + string.digits).encode(),
    (string.ascii_lowercase + "0" * 10).encode(),
)
_OFFSET = 10
_TABLE = """\
7aba78a5a47cbb7a4cbda858a56
c798d787ba4d87b85aa7b565945
c797c77ba2ba76d95aacb654845
c89be997c65aa9a959aaa774847
a8bb9997837bbc9a8dcb798b666
b788bb74d44b88d86b9ab557836
b899d9aab35b9aaa5cb9a774755
c899d977d478a9ba7a9b9673936
a9baaab5657abdcb48bb69391a3
c976e888c89777b846a8a868776
a999e988b57b98aa6ab98ac7847
c999d986c36ba7c9689ba975a45
cb98c878b36ab8cb48a8a965848
b8bbcbc8b48899b948bc9a66766
89bc9897969abd9a4caab897643
c989c88aa67b97ba6cabb863a26
88988977937988698a99eac6637
c8aac996c399bac97abb9974935
a7b8c97ac49898bb79cda894976
b8a9d97ad46898ba5caa9886a56
ababb981936cac7a3bcd4615455
c968d675d83a98a97768766754a
d789c979d4797ab85c985768555
a8b8b997b68aa79c5aad7779848
aaa9d988946abbbd69bb9886687
c898e699b478569767887944a86
a9acaa989779b99a79aa8b8956b
"""
"""For each first character, in a row, the bits of each second, as hexadecimal digits plus 10."""


def name_bits(run: bytes) -> int:
    """Return how many bits make it likely that letters and digits are a name; negative: random.

    >>> name_bits(b"LlamaForCausalLM") > 0 > name_bits(b"pQ7xLfWz2KdVbT9h")
    True
    """
    plain = run.translate(_TO_CLASS)
    return sum(map(_BITS.__getitem__, pairwise(plain)))


_BITS = {
    (ord(first), ord(second)): int(digit, 16) - _OFFSET
    for first, row in zip(_CLASSES, _TABLE.split(), strict=True)
    for second, digit in zip(_CLASSES, row, strict=True)
}

_NAME = re.compile(rb"(?<![A-Za-z0-9])[A-Za-z0-9]{10,59}(?![A-Za-z0-9])")
_HASH = re.compile(rb"[0-9a-fA-F]+")
_PRIOR = 20
"""Pairs that each character is taken to have with random ones, so that no pair is impossible."""


def main() -> None:
    """Print the table of the names in the Python files of folders."""
    files = (path for folder in sys.argv[1:] for path in Path(folder).rglob("*.py"))
    names = {name for path in files for name in _NAME.findall(path.read_bytes())}
    counts: Counter[str] = Counter()
    for name in names:
        if not _HASH.fullmatch(name):
            plain = name.translate(_TO_CLASS).decode()
            counts.update(map("".join, pairwise(plain)))
    for first in _CLASSES:
        total = sum(counts[first + second] for second in _CLASSES) + _PRIOR
        digits = (_digit(counts[first + second], total, second) for second in _CLASSES)
        sys.stdout.write("".join(digits) + "\n")


def _digit(count: int, total: int, second: str) -> str:
    chance = (10 if second == "0" else 2) / 62
    bits = round(log2((count + _PRIOR * chance) / total / chance))
    return f"{max(0, min(15, bits + _OFFSET)):x}"


if __name__ == "__main__":
    main()
