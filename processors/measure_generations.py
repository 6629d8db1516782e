"""Measures the quality of completions, and its means over a batch of rollouts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from logflume.protocols import EventDict
from logflume.training.answer_parsing import final_answer, find_marked_answer
from logflume.values.columnar import rows

from ._quality import (
    distinct_share,
    find_tagged,
    has_format,
    is_same,
    repeated_share,
    split_at_tags,
    split_words,
)

__all__ = ["MeasureGenerations"]

_MAX_OPEN_BATCHES = 8
"""Batches that may wait for their `generation` event; usually two, for training and evaluation."""

_CORRECT = "quality/correct"

_HASHABLE = frozenset({int, float, str, bool, type(None)})

_READ = (
    *("generation", "mode", "step", "truncated"),
    *("model_output", "messages", "answer", "true_answer"),
    *(f"quality/{name}" for name in ("characters", "words", "format_ok", "has_answer")),
    *(f"quality/{name}" for name in ("correct", "repetition", "distinct_2")),
)
"""The fields of a completion that are read."""


class MeasureGenerations:
    r"""A processor that adds text measures to each `model_output`, and their means to `generation`.

    A `model_output` event gets, from its field `model_output`:

    - `quality/characters`: length of the text in characters.
    - `quality/words`: length in words separated by white space; each tag is a word of its own.
    - `quality/format_ok`: whether the text has one reasoning followed by one answer, neither blank,
      and each of their four tags exactly once.
    - `quality/has_answer`: whether the text has an answer: a non-blank one in tags, or else one in
      `\boxed{}`, or else a number after `####`.
    - `quality/correct`: whether the answer equals `true_answer`, as a number (`$1,000` equals
      `1000.0`) or as text, ignoring differences in white space. The answer is the first one in
      tags, else the field `answer` of the event, else the last one in `\boxed{}`, else the last
      number that follows `####` and ends its line. The true answer may be a solution with these
      marks. Without an answer, the value is null, because it is unknown whether such a text is
      right. Without a true answer, the field is absent.
    - `quality/repetition`: share of word n-grams that occurred before in the text, in [0, 1)
      (seq-rep-n, arXiv:1908.04319); null for a text of fewer than n + 1 words.
    - `quality/distinct_2`: share of distinct bigrams, in (0, 1] (distinct-n, arXiv:1510.03055);
      null for a text of fewer than two words.

    The `generation` event that closes a batch (same `generation`, `mode` and `step`) gets the mean
    of each measure as `quality/<name>/mean` (for booleans, the share that is true),
    `quality/truncated/mean` from the field `truncated` of the events, and `quality/n`, the number
    of measured completions. A mean covers the completions that have the measure, and is absent if
    none has it. Completions that the policy of `attach` doesn't log are not included. If too many
    batches are never closed, the oldest ones are discarded.

    A measure that the event already has is kept, and counts in the mean. In the mean of
    `quality/correct`, a completion without an answer counts as wrong; if the batch has no answer at
    all, there is no mean.

    If the text has an answer but the event has no field `answer`, that field is added as well.

    Events without the field `model_output` pass unchanged.

    Args:
        reasoning_tag: Name of the tags around the reasoning.
        answer_tag: Name of the tags around the answer.
        ngram: Words per n-gram for `quality/repetition`.
        max_characters: Words and n-grams are counted in this number of characters at the beginning
            of a text. Length, format and answer always refer to the whole text, because the answer
            comes last.

    Raises:
        ValueError: `ngram` or `max_characters` is not above 0.
    """

    detachable = True
    event_types = frozenset({"model_output", "generation"})

    def __init__(
        self,
        *,
        reasoning_tag: str = "reasoning",
        answer_tag: str = "answer",
        ngram: int = 3,
        max_characters: int = 20_000,
    ) -> None:
        for name, value in {"ngram": ngram, "max_characters": max_characters}.items():
            if value < 1:
                raise ValueError(f"{name} must be above 0, not {value}")
        self._tags = (reasoning_tag, answer_tag)
        self._ngram = ngram
        self._max_characters = max_characters
        self._batches: dict[tuple[Any, ...], _Batch] = {}

    def __call__(self, _logger: Any, _method_name: str, event_dict: EventDict) -> EventDict:
        """Add the measures to a `model_output`, the means to the `generation` of its batch."""
        event_type = event_dict.get("event")
        if event_type == "model_output" and event_dict.pop("quality", True) is False:
            return event_dict  # `attach(trainer, quality=False)`
        if event_type == "model_output" and isinstance(text := event_dict.get("model_output"), str):
            measures, answer = self._measure(text, event_dict)
            if answer is not None:
                event_dict["answer"] = answer
            event_dict.update(measures)
            measures["quality/truncated"] = _truncated(event_dict)
            self._open_batch(_batch_key(event_dict)).add(measures)
        elif event_type == "generation" and (
            batch := self._batches.pop(_batch_key(event_dict), None)
        ):
            event_dict.update(batch.means())
        return event_dict

    def process_columns(self, columns: dict[str, Sequence[Any]]) -> dict[str, Sequence[Any]] | None:
        """Add the measures to several `model_output` events.

        None if the events don't all get the same measures, and for `generation` events, which come
        singly.
        """
        if columns["event"][0] != "model_output" or "model_output" not in columns:
            return None
        unwanted = [value is False for value in columns.pop("quality", ())]
        if any(unwanted):
            return columns if all(unwanted) else None
        outputs = list(rows({name: columns[name] for name in _READ if name in columns}))
        if not all(isinstance(output["model_output"], str) for output in outputs):
            return None
        pairs = [self._measure(output["model_output"], output) for output in outputs]
        measures, answers = [list(of_all) for of_all in zip(*pairs, strict=True)]
        names = tuple(measures[0])
        if any(tuple(measured) != names for measured in measures):
            return None
        if any(answer is not None for answer in answers):
            if "answer" not in columns and None in answers:
                return None
            columns["answer"] = answers
        columns |= {name: [measured[name] for measured in measures] for name in names}
        for output, measured in zip(outputs, measures, strict=True):
            measured["quality/truncated"] = _truncated(output)
            self._open_batch(_batch_key(output)).add(measured)
        return columns

    def _measure(self, text: str, event_dict: EventDict) -> tuple[dict[str, float | None], Any]:
        """Return the measures, and the answer: the one that was logged, else that of the text."""
        _, answer_tag = self._tags
        pieces = split_at_tags(text, self._tags)
        tagged = find_tagged(text, answer_tag)
        found = find_marked_answer(text) if tagged is None else tagged
        logged = event_dict.get("answer")
        # A text with messages has the results of tools, too; the answer is the model's.
        has_tools = isinstance(event_dict.get("messages"), str)
        is_long = len(text) > self._max_characters
        words = split_words(
            split_at_tags(text[: self._max_characters], self._tags) if is_long else pieces
        )
        measures = {
            "quality/characters": len(text),
            "quality/words": len(words),
            "quality/format_ok": has_format(pieces, *self._tags),
            "quality/has_answer": found is not None,
            "quality/repetition": repeated_share(words, self._ngram),
            "quality/distinct_2": distinct_share(words, 2),
        }
        if truth := _answer_text(final_answer(event_dict.get("true_answer"))):
            answer = _answer_text(logged)
            given = answer if has_tools else tagged or answer or found
            if given is not None:
                measures[_CORRECT] = is_same(final_answer(given), truth)
            else:
                # Tags without a text between them have the expected form, so the answer is wrong.
                measures[_CORRECT] = False if f"</{answer_tag}>" in text else None
        for name in (*measures, _CORRECT):
            if isinstance(known := event_dict.get(name), (bool, int, float)):
                measures[name] = known
        return measures, logged if has_tools or logged is not None else found

    def _open_batch(self, key: tuple[Any, ...]) -> _Batch:
        if key not in self._batches and len(self._batches) >= _MAX_OPEN_BATCHES:
            del self._batches[next(iter(self._batches))]  # the oldest one
        return self._batches.setdefault(key, _Batch())


class _Batch:
    """Sum and count of each measure over the completions of a batch."""

    def __init__(self) -> None:
        self._completions = 0
        self._unanswered = 0
        self._sums: dict[str, float] = {}
        self._counts: dict[str, int] = {}

    def add(self, measures: dict[str, float | None]) -> None:
        self._completions += 1
        self._unanswered += _CORRECT in measures and measures[_CORRECT] is None
        for name, value in measures.items():
            if value is not None:
                self._sums[name] = self._sums.get(name, 0) + value
                self._counts[name] = self._counts.get(name, 0) + 1

    def means(self) -> dict[str, float]:
        if _CORRECT in self._counts:
            self._counts[_CORRECT] += self._unanswered
        means = {f"{name}/mean": total / self._counts[name] for name, total in self._sums.items()}
        return {**means, "quality/n": self._completions}


def _batch_key(event_dict: EventDict) -> tuple[Any, ...]:
    """Return the key of the event's batch; None for values that may be unhashable."""
    parts = (event_dict.get("generation"), event_dict.get("mode"), event_dict.get("step"))
    if _HASHABLE.issuperset(map(type, parts)):
        return parts
    return tuple(part if type(part) in _HASHABLE else None for part in parts)


def _truncated(event_dict: EventDict) -> bool | None:
    truncated = event_dict.get("truncated")
    return truncated if isinstance(truncated, bool) else None


def _answer_text(value: Any) -> str | None:
    """Return an answer as text; None if there is no answer to compare."""
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, float):
        return None if math.isnan(value) else str(value)
    # Python refuses to convert much longer integers to text.
    return str(value) if isinstance(value, int) and abs(value) < 2**1023 else None
