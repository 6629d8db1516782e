"""The prompt that each completion answers, also of runs that recorded no `prompt_id`."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from logflume.query.columns import optional
from logflume.query.groupings import texts_of

__all__ = ["TEXTS", "hash_text", "prompt_ids", "question_texts"]

TEXTS = [optional("prompt"), optional("question")]
"""The columns that identify a prompt without an id. As patterns: a run need not have both."""


def hash_text(prompt: str) -> str:
    """Return the id of a prompt that is a text: the same one that `attach` records for it.

    >>> hash_text("1 + 1?")
    '7de673454f53c1d2'
    """
    text = json.dumps(prompt, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def prompt_ids(completions: pa.Table) -> Any:
    """Return the id of the prompt of each completion; null if nothing identifies it.

    Without a `prompt_id`, it is the hash of the text of the prompt, or else of the question. For a
    conversation, this differs from the id that `attach` records.
    """
    known = completions.column_names
    if "prompt_id" in known and not completions["prompt_id"].null_count:
        return texts_of(completions, "prompt_id")
    texts = _first_of(completions, ["prompt", "question"])
    encoded: Any = texts.combine_chunks().dictionary_encode()
    hashes = pa.array([hash_text(text) for text in encoded.dictionary.to_pylist()], pa.string())
    hashed: Any = hashes.take(encoded.indices)
    if "prompt_id" not in known:
        return hashed
    return pc.coalesce(texts_of(completions, "prompt_id"), hashed)


def question_texts(completions: pa.Table) -> Any:
    """Return the question of each completion, or the text of its prompt if it has no question."""
    return _first_of(completions, ["question", "prompt"])


def _first_of(completions: pa.Table, names: list[str]) -> Any:
    known = set(completions.column_names)
    columns: list[Any] = [texts_of(completions, name) for name in names if name in known]
    if not columns:
        return pa.chunked_array([pa.nulls(len(completions), pa.string())])
    return pc.coalesce(*columns)
