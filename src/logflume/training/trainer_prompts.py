"""Prompts: their text, question, id and messages."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from logflume.guard import Failure, call_guarded, unreadable
from logflume.training.conversations import content_text, only_content, readable
from logflume.training.message_json import messages_json
from logflume.values.plain import json_writable, to_plain

__all__ = ["Prompt", "prompt_id", "question_of", "read_prompts"]

_ID_DIGITS = 16


class Prompt(NamedTuple):
    """The recorded parts of a prompt; all are None if the prompt is unknown.

    Attributes:
        text: Its text, with the role of each message where there are several.
        id: A hash of it.
        question: Its last message, or its text.
        messages: Its messages as JSON text; None where the text has everything.
    """

    text: str | None = None
    id: str | None = None
    question: str | None = None
    messages: str | None = None


def prompt_id(prompt: Any, images: Sequence[str] = ()) -> str:
    """Return the id of a prompt: the first 16 hex digits of the SHA-256 of its canonical JSON.

    Canonical JSON has sorted keys, no white space, and all characters as they are, in UTF-8. The
    id is therefore the same in all steps, attempts, ranks and runs.

    Args:
        prompt: The prompt as the trainer has it: a text, or a list of messages; images are paths.
        images: Paths of the images that belong to a prompt given as text.

    >>> prompt_id([{"role": "user", "content": "3 + 4?"}])
    '331e2315b2ce65e4'
    """
    value = {"images": list(images), "prompt": prompt} if images else prompt
    try:
        text = _canonical_json(value)
    except ValueError:  # an integer of thousands of digits
        text = _canonical_json(json_writable(value))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_ID_DIGITS]


_canonical_json = json.JSONEncoder(
    sort_keys=True, ensure_ascii=False, separators=(",", ":")
).encode  # made once: `json.dumps` makes an encoder for each prompt


def question_of(prompt: Any) -> str:
    """Return the question of a prompt: its last message, or its text."""
    if isinstance(prompt, list) and prompt and isinstance(prompt[-1], dict):
        return content_text(prompt[-1].get("content"))
    return readable(prompt)


def read_prompts(
    prompts: Sequence[Any], images: Sequence[Sequence[str]], plain_form: Callable[[Any], Any]
) -> list[Prompt]:
    """Return what is recorded of prompts. The equal prompts of a group are read once.

    Args:
        prompts: The copied prompts.
        images: For each prompt the paths of images that are not in its messages.
        plain_form: Returns a prompt as plain values.
    """
    known: dict[Any, Prompt] = {}
    found = []
    for prompt, paths in zip(prompts, images, strict=True):
        text = only_content(prompt)
        if text is None:
            prompt = plain_form(prompt)
            key: Any = ("", messages_json(prompt).text, *paths)
        else:
            role = None if type(prompt) is str else repr(prompt[0]["role"])
            key = (role, text, *paths)
        if key not in known:
            read = call_guarded(_read, plain_form(prompt), paths)
            known[key] = _unreadable(read) if isinstance(read, Failure) else read
        found.append(known[key])
    return found


def _read(prompt: Any, images: Sequence[str]) -> Prompt:
    if prompt is None:
        return Prompt()
    # A text doesn't show the role of its message, so the role must be the usual one.
    has_all = only_content(prompt) is not None and (
        isinstance(prompt, str) or prompt[0]["role"] == "user"
    )
    return Prompt(
        text=readable(prompt),
        id=prompt_id(to_plain(prompt), images),
        question=question_of(prompt),
        messages=None if has_all else messages_json(prompt).text,
    )


def _unreadable(failure: Failure) -> Prompt:
    return Prompt(text=unreadable("prompt", failure.error))
