"""Completions and prompts that are conversations: lists of chat messages.

A message is a mapping with `role` and `content`, as the chat templates of `transformers` take it.
The content is a text, None, or a list of parts (`{"type": "text", "text": …}`, images). A message
of an assistant may have `tool_calls`, and its thinking in `reasoning_content` (or `thinking`).
What these functions don't recognize becomes JSON: they accept any value, and never raise.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

from logflume.guard import Failure, call_guarded, type_name, unreadable
from logflume.training.answer_parsing import parse_answer, split_thinking
from logflume.values.plain import json_writable, to_plain

__all__ = [
    "Conversation",
    "content_text",
    "is_all_of_the_model",
    "is_conversation",
    "only_content",
    "read_completion",
    "readable",
]

Message: TypeAlias = Mapping[str, Any]

_THINKING = ("reasoning_content", "thinking", "reasoning")
"""Keys of a message, and of parts of its content, that hold the model's thinking."""

_CALL_PARTS = frozenset({"tool_use", "tool_call", "function_call"})
"""Types of parts of a content that are tool calls."""

_RESULT_ROLES = frozenset({"tool", "function", "ipython", "observation"})
"""Roles of messages that hold the result of a tool."""

_FAILURES = ("error:", "error executing", "exception:", "traceback (most recent call last)")
"""How the plain-text result of a failed call begins."""

_MAX_PARSED = 100_000
"""Maximum length of a tool's result that is searched for an error."""


class Conversation(NamedTuple):
    """What a completion consists of.

    Attributes:
        text: The whole completion, readable: thinking, tool calls and results included.
        reasoning: The model's thinking; None if there is none.
        answer: The text between the answer tags of the last message that has them.
        turns: Messages of the model.
        tool_calls: Calls that the model made.
        tool_failures: Calls whose result reports a failure.
        tool_rounds: How often results of tools were returned to the model.
        ends_with_result: Whether the last message is the result of a tool.
        ends_with_call: Whether the last message has calls, which therefore have no results.
    """

    text: str
    reasoning: str | None
    answer: str | None
    turns: int
    tool_calls: int = 0
    tool_failures: int = 0
    tool_rounds: int = 0
    ends_with_result: bool = False
    ends_with_call: bool = False


def read_completion(completion: Any) -> Conversation:
    """Return what a completion consists of, given as a text or a list of messages.

    The text of a completion that can't be read gives the reason.

    >>> call = {"type": "function", "function": {"name": "add", "arguments": {"a": 40, "b": 2}}}
    >>> found = read_completion([
    ...     {"role": "assistant", "reasoning_content": "A sum.", "tool_calls": [call]},
    ...     {"role": "tool", "name": "add", "content": "42"},
    ...     {"role": "assistant", "content": "<answer>42</answer>"},
    ... ])
    >>> print(found.text)
    assistant thinks: A sum.
    assistant calls add({"a": 40, "b": 2})
    tool add: 42
    assistant: <answer>42</answer>
    >>> found.reasoning, found.answer, found.turns, found.tool_calls
    ('A sum.', '42', 2, 1)
    """
    read = call_guarded(_read, completion)
    if isinstance(read, Failure):
        return Conversation(unreadable("completion", read.error), None, None, turns=1)
    return read


def _read(completion: Any) -> Conversation:
    text = only_content(completion)
    messages = None if text is not None else _messages(completion)
    if messages is None:
        text = _json(completion) if text is None else text
        thinking, rest = split_thinking(text)
        reasoning, answer = parse_answer(rest)
        return Conversation(text, thinking or reasoning, answer, turns=1)
    own = [message for message in messages if _role(message) == "assistant"]
    results = [message for message in messages if _role(message) in _RESULT_ROLES]
    roles = [_role(message) in _RESULT_ROLES for message in messages]
    last = messages[-1] if messages else {}
    return Conversation(
        text=readable(completion),
        reasoning=_reasoning(own),
        answer=_answer(own),
        turns=len(own),
        tool_calls=sum(len(_calls(message)) for message in own),
        tool_failures=sum(map(_has_failed, results)),
        tool_rounds=sum(now and not before for before, now in zip([False, *roles], roles)),  # noqa: B905
        ends_with_result=bool(roles and roles[-1]),
        ends_with_call=_role(last) == "assistant" and bool(_calls(last)),
    )


def only_content(value: Any) -> str | None:
    """Return the text of a completion or prompt that is nothing but a text; None for others.

    That is a text, or one message with a role and a text, as most are.
    """
    if type(value) is str:
        return value
    if type(value) is list and len(value) == 1 and type(value[0]) is dict:
        content = value[0].get("content")
        if type(content) is str and len(value[0]) == 2 and "role" in value[0]:
            return content
    return None


def readable(messages: Any) -> str:
    """Return the text of a completion or prompt, given as a text or a list of messages.

    The content of a single message without thinking and calls is the text. Otherwise each part is
    preceded by the role of its message.

    >>> readable([{"role": "assistant", "content": "4"}])
    '4'
    """
    text = only_content(messages)
    if text is not None:
        return text
    found = _messages(messages)
    if found is None:
        return messages if isinstance(messages, str) else _json(messages)
    lines = [line for message in found for line in _lines(message)]
    if len(found) == 1 and len(lines) == 1 and not _calls(found[0]) and not _thinking(found[0]):
        return content_text(found[0].get("content"))
    return "\n".join(lines)


def content_text(content: Any) -> str:
    """Return the content of a message as text.

    >>> content_text([{"type": "image", "image": "media/0a.png"}, {"type": "text", "text": "Why?"}])
    '[image media/0a.png]Why?'
    """
    if content is None:
        return ""
    if not isinstance(content, list):
        return content if isinstance(content, str) else _json(content)
    return "".join(map(_part_text, content))


def is_conversation(value: Any) -> bool:
    """Whether a completion or prompt is a list of messages, and not a text."""
    return _messages(value) is not None


def is_all_of_the_model(completion: Any) -> bool:
    """Whether the model wrote a whole completion: no message of it is of another role.

    >>> is_all_of_the_model([{"role": "assistant"}, {"role": "tool", "content": "4"}])
    False
    """
    return {"assistant"}.issuperset(map(_role, _messages(completion) or ()))


def _messages(value: Any) -> list[Message] | None:
    """Return the messages of a conversation; None for anything else."""
    if isinstance(value, Mapping) and "role" in value:
        return [value]
    if isinstance(value, list) and all(isinstance(message, Mapping) for message in value):
        return value
    return None


def _role(message: Message) -> str:
    """Return the role of a message. One without a role is the model's: parsers omit it."""
    role = message.get("role")
    return role if isinstance(role, str) else "assistant"


def _lines(message: Message) -> Iterator[str]:
    """Yield the parts of a message, each with its role."""
    role = _role(message)
    for thought in _thinking(message):
        yield f"{role} thinks: {thought}"
    calls = _calls(message)
    text = content_text(message.get("content"))
    name = message.get("name")
    speaker = f"{role} {name}" if isinstance(name, str) and name else role
    if text or not (calls or _thinking(message)):
        yield f"{speaker}: {text}"
    for call in calls:
        yield f"{role} calls {_call_text(call)}"


def _part_text(part: Any) -> str:
    if isinstance(part, str):
        return part
    if not isinstance(part, Mapping):
        return _json(part)
    kind = part.get("type")
    if kind in _CALL_PARTS or kind in _THINKING:
        return ""  # shown as a call, and as thinking
    if isinstance(text := part.get("text"), str):
        return text
    if kind in ("image", "image_url", "video", "audio"):
        source = part.get(kind, part.get("url"))
        source = source.get("url") if isinstance(source, Mapping) else source
        is_name = isinstance(source, str) and not source.startswith("data:")
        return f"[{kind} {source}]" if is_name else f"[{kind}]"
    return _json(part)


def _thinking(message: Message) -> list[str]:
    """Return the texts that a message marks as thinking."""
    found = [message.get(key) for key in _THINKING]
    content = message.get("content")
    for part in content if isinstance(content, list) else ():
        if isinstance(part, Mapping) and part.get("type") in _THINKING:
            kind = str(part["type"])
            found.append(part.get(kind, part.get("text")))
    return [text for text in found if isinstance(text, str) and text]


def _reasoning(own: list[Message]) -> str | None:
    """Return the thinking that the model's messages mark, or else that between tags."""
    marked = [thought for message in own for thought in _thinking(message)]
    if marked:
        return "\n".join(marked)
    texts = [content_text(message.get("content")) for message in own]
    split = [split_thinking(text) for text in texts]
    tagged = [thinking or parse_answer(rest)[0] for thinking, rest in split]
    found = [text for text in tagged if text is not None]
    return "\n".join(found) if found else None


def _answer(own: list[Message]) -> str | None:
    for message in reversed(own):
        _, rest = split_thinking(content_text(message.get("content")))
        _, answer = parse_answer(rest)
        if answer is not None:
            return answer
    return None


def _calls(message: Message) -> list[Any]:
    """Return the tool calls of a message, in the forms of chat templates and of providers."""
    calls = message.get("tool_calls")
    found = list(calls) if isinstance(calls, list) else [calls] if calls else []
    if isinstance(message.get("function_call"), Mapping):
        found.append(message["function_call"])
    content = message.get("content")
    for part in content if isinstance(content, list) else ():
        if isinstance(part, Mapping) and part.get("type") in _CALL_PARTS:
            found.append(part)
    return found


def _call_text(call: Any) -> str:
    if not isinstance(call, Mapping):
        return _json(call)
    function = call.get("function")
    call = function if isinstance(function, Mapping) else call
    arguments = call.get("arguments", call.get("input"))
    text = arguments if isinstance(arguments, str) else _json(arguments or {})
    return f"{call.get('name', 'unknown')}({text})"


def _has_failed(message: Message) -> bool:
    """Whether the result of a call reports a failure: by a mark, an `error`, or how it begins."""
    if message.get("is_error") is True or message.get("status") in ("error", "failed"):
        return True
    content = message.get("content")
    parts = content if isinstance(content, list) else [content]
    return any(map(_reports_failure, parts))


def _reports_failure(content: Any) -> bool:
    if isinstance(content, Mapping) and content.get("type") == "text":
        content = content.get("text")
    if isinstance(content, str):
        start = content.lstrip()[:50].lower()
        if start.startswith(_FAILURES):
            return True
        content = _parse(content) if start.startswith("{") and "error" in content else None
    if not isinstance(content, Mapping):
        return False
    return bool(content.get("error")) or content.get("is_error", content.get("isError")) is True


def _parse(text: str) -> Any:
    """Return a mapping that is written in JSON or, as TRL does, in Python; None for others."""
    if len(text) > _MAX_PARSED:
        return None
    for parse in (json.loads, ast.literal_eval):
        try:
            return parse(text.strip())
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
    return None


def _json(value: Any) -> str:
    text = call_guarded(json.dumps, value, ensure_ascii=False, default=to_plain)
    if isinstance(text, Failure):  # an integer of thousands of digits, a cycle, deep nesting
        text = call_guarded(lambda: json.dumps(json_writable(to_plain(value)), ensure_ascii=False))
    return unreadable(type_name(value), text.error) if isinstance(text, Failure) else text
