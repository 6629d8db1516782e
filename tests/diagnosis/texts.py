"""Completions of a language model, good and degenerate, as synthetic texts."""

from __future__ import annotations

import random

_TEXT = (
    "the sum first we add then subtract both sides of equation therefore number total cost apples "
    "each box contains so multiply by divide get result check again because remaining half twice "
    "let us consider value x y step next answer is not equal to more less than after before price "
    "distance time speed hours minutes per day week train car walks runs bought sold left gives"
)
_WORDS = _TEXT.split()


def solution(rng: random.Random, words: int, answer: int) -> str:
    """Return a reasoning of about that many words, and an answer."""
    length = max(5, round(rng.gauss(words, words / 6)))
    body = " ".join(
        str(rng.randrange(1000)) if rng.random() < 0.15 else rng.choice(_WORDS)
        for _ in range(length)
    )
    return f"<reasoning>\n{body}\n</reasoning>\n<answer>\n{answer}\n</answer>"


def looping(rng: random.Random, words: int, answer: int) -> str:
    """Return a text that begins like a solution and then repeats a phrase."""
    phrase = " ".join(rng.choice(_WORDS) for _ in range(rng.randint(2, 9)))
    start = " ".join(rng.choice(_WORDS) for _ in range(words // 5))
    return (
        f"<reasoning>\n{start} " + f"{phrase} " * max(4, words // len(phrase.split())) + str(answer)
    )
