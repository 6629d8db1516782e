"""Synthetic texts that compress like those of a model: to 30% with zstd, as GSM8K's solutions."""

from __future__ import annotations

import statistics
from functools import cache

import numpy as np

__all__ = ["questions", "texts"]

_WORDS, _PHRASES, _PHRASE_WORDS = 3_000, 20_000, 3
_QUESTIONS = 7_473  # the size of GSM8K's training set
_QUESTION_CHARACTERS = 240


def texts(rng: np.random.Generator, count: int, mean_characters: int) -> list[str]:
    """Return texts of 0.5 to 1.5 times the mean length."""
    phrases = _phrases()
    mean = max(1, round(mean_characters / _mean_phrase_characters()))
    lengths = rng.integers(mean // 2 + 1, mean * 3 // 2 + 2, size=count).tolist()
    chosen = [phrases[i] for i in rng.integers(len(phrases), size=sum(lengths)).tolist()]
    result, begin = [], 0
    for length in lengths:
        result.append(" ".join(chosen[begin : begin + length]))
        begin += length
    return result


@cache
def questions() -> list[str]:
    """Return the questions of the data set; they are the same for all runs."""
    return texts(np.random.default_rng(0), _QUESTIONS, _QUESTION_CHARACTERS)


@cache
def _phrases() -> list[str]:
    """Return phrases whose words have the frequencies of a natural language (Zipf's law)."""
    rng = np.random.default_rng(0)
    letters = np.array(list("eeeeettttaaaooniinshrdlucmfwypvbgk"))
    lengths = rng.integers(2, 10, size=_WORDS).tolist()
    words = ["".join(rng.choice(letters, size=length)) for length in lengths]
    ranks = rng.zipf(1.2, (_PHRASES, _PHRASE_WORDS)) % _WORDS
    return [" ".join(words[rank] for rank in phrase) for phrase in ranks.tolist()]


@cache
def _mean_phrase_characters() -> float:
    return statistics.fmean(map(len, _phrases())) + 1
