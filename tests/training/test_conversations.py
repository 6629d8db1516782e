"""Completions that are conversations come back as the trainer had them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import logflume
from logflume.testing import capture_events
from logflume.training import attach
from logflume.training.conversations import read_completion, readable
from tests.event_helpers import of_type
from tests.length import examples
from tests.query.training_run import start
from tests.training.stand_in import END, StandIn
from tests.training.tool_trainer import (
    call_of,
    flatten,
    make_tool_trainer,
    record_completions,
)

TEXTS = st.text(max_size=20) | st.sampled_from(["\ud83d", "a\x00b", "<answer>4</answer>", "\u202e"])

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)

CALLS = st.fixed_dictionaries(
    {
        "type": st.just("function"),
        "function": st.fixed_dictionaries(
            {"name": TEXTS, "arguments": st.dictionaries(TEXTS, JSON_VALUES, max_size=3) | TEXTS}
        ),
    }
)

CONTENTS = (
    st.none()
    | TEXTS
    | st.lists(
        st.fixed_dictionaries({"type": st.just("text"), "text": TEXTS})
        | st.fixed_dictionaries({"type": st.sampled_from(["image", "audio"]), "url": TEXTS})
        | JSON_VALUES,
        max_size=3,
    )
)

MESSAGES = st.fixed_dictionaries(
    {"role": st.sampled_from(["assistant", "tool", "user", "developer"]), "content": CONTENTS},
    optional={
        "tool_calls": st.lists(CALLS, max_size=3) | st.none(),
        "reasoning_content": TEXTS | st.none(),
        "thinking": TEXTS,
        "name": TEXTS,
        "metadata": JSON_VALUES,
    },
)

CONVERSATIONS = st.lists(MESSAGES, min_size=1, max_size=4)


@settings(
    max_examples=examples(25),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(CONVERSATIONS, min_size=30, max_size=50))
def test_conversations_are_read_back_as_they_were(
    tmp_path: Path, conversations: list[list[dict[str, Any]]]
) -> None:
    """Whatever roles, contents, calls and texts a conversation has, `messages` equals it."""
    run = start(tmp_path, run=f"r{len(list(tmp_path.iterdir()))}")
    expected = json.loads(json.dumps(conversations))
    trainer = StandIn()
    with attach(trainer):
        trainer.step(conversations)
    logflume.shutdown()
    rows = logflume.open_run(run.folder).outputs().to_pylist()

    assert expected == [json.loads(row["messages"]) for row in rows]
    assert conversations == expected
    assert len(conversations) == len({row["id"] for row in rows})


def test_fields_of_a_conversation_with_tools() -> None:
    """Thinking, calls, failures and the answer are fields, and the text shows all of it."""
    conversation = [
        {
            "role": "assistant",
            "content": "",
            "reasoning_content": "Look it up.",
            "tool_calls": [
                {"type": "function", "function": {"name": "find", "arguments": {"q": "x"}}},
                {"type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}},
            ],
        },
        {"role": "tool", "name": "find", "content": "{'error': 'offline'}"},
        {"role": "tool", "name": "add", "content": "<answer>no</answer>"},
        {"role": "assistant", "content": "<answer>42</answer>"},
    ]
    trainer = StandIn()
    with capture_events() as events, attach(trainer):
        trainer.step([conversation, "plain"])
    tools, plain = of_type(events, "model_output")

    assert (
        "\n".join(
            [
                "assistant thinks: Look it up.",
                'assistant calls find({"q": "x"})',
                'assistant calls add({"a": 1})',
                "tool find: {'error': 'offline'}",
                "tool add: <answer>no</answer>",
                "assistant: <answer>42</answer>",
            ]
        )
        == (tools["model_output"])
    )
    counts = ("turns", "tool_calls", "tool_failures")
    assert [2, 2, 1] == [tools[name] for name in counts]
    assert ("Look it up.", "42") == (tools["reasoning"], tools["answer"])
    assert ("plain", None) == (plain["model_output"], plain["messages"])
    assert [1, 0, 0] == [plain[name] for name in counts]


@pytest.mark.parametrize(
    ("result", "failures"),
    [
        ("{'error': 'x'}", 1),
        ('{"error": {"code": 5}}', 1),
        ({"error": "x"}, 1),
        ([{"type": "text", "text": "Error: no such file"}], 1),
        ("Traceback (most recent call last):\n  …", 1),
        ('{"error": null, "result": 4}', 0),
        ("{'errors': 0}", 0),
        ("no error was found", 0),
        ("{'error", 0),
        (None, 0),
    ],
)
def test_failures_are_recognized_by_their_results(result: Any, failures: int) -> None:
    """A result counts as a failure if it says so, in the forms of TRL, of JSON and of Python."""
    found = read_completion([{"role": "assistant"}, {"role": "tool", "content": result}])
    assert failures == found.tool_failures


@pytest.mark.parametrize(
    ("completion", "reasoning", "answer"),
    [
        ("<think>a <answer>1</answer></think><answer>2</answer>", "a <answer>1</answer>", "2"),
        ("prefilled</think><answer>2</answer>", "prefilled", "2"),
        ("<think>never closed <answer>1</answer>", "never closed <answer>1</answer>", None),
        ("<reasoning>r</reasoning><answer>2</answer>", "r", "2"),
        ([{"role": "assistant", "content": [{"type": "thinking", "thinking": "t"}]}], "t", None),
        ([{"role": "assistant", "thinking": "t", "content": "<answer>2</answer>"}], "t", "2"),
    ],
)
def test_thinking_is_no_answer(completion: Any, reasoning: str, answer: str | None) -> None:
    """Thinking is recognized in all its forms, and an answer within it doesn't count."""
    found = read_completion(completion)
    assert (reasoning, answer) == (found.reasoning, found.answer)


def test_a_text_of_one_message_is_its_content() -> None:
    """A conversation of one plain message reads as before: without a role."""
    assert "4" == readable([{"role": "assistant", "content": "4"}])
    assert "system: s\nuser: u" == readable(
        [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]
    )


def test_a_conversation_that_is_too_long_stays_json() -> None:
    """Beyond 16 MB the texts within the structure are shortened, and the completion says so."""
    conversation = [
        {"role": "assistant", "content": "short"},
        {"role": "tool", "name": "read", "content": "x" * 17_000_000},
    ]
    trainer = StandIn()
    with capture_events() as events, attach(trainer):
        trainer.step([conversation, "plain"])
    shortened, plain = of_type(events, "model_output")
    messages = json.loads(shortened["messages"])

    assert "short" == messages[0]["content"]
    assert ("tool", "read") == (messages[1]["role"], messages[1]["name"])
    assert messages[1]["content"].endswith("more characters>")
    assert 1_000_000 < len(shortened["messages"]) <= 16_000_000
    assert "shortened" in shortened["problem"]
    assert plain["problem"] is None


def test_secrets_are_redacted_within_the_structure() -> None:
    """Where model texts are searched, secrets are replaced in the values, and JSON stays JSON."""
    token = "ghp_abcdefghijklmnopqrstuvwxyz0123456789"
    call = {"name": "login", "arguments": {"user": "me", "password": 'hunter"22\\x'}}
    conversation = [
        {"role": "assistant", "content": "\ud83d", "tool_calls": [{"function": call}]},
        {"role": "tool", "content": f'token="{token}"', "of_tokens": {token: 1, token[:-1]: 2}},
    ]
    trainer = StandIn()
    processor = {"redact_secrets": {"events": ["model_output"]}}
    with capture_events(processor) as events, attach(trainer):
        trainer.step([conversation, conversation])
    for event in of_type(events, "model_output"):
        messages = json.loads(event["messages"])
        arguments = messages[0]["tool_calls"][0]["function"]["arguments"]
        assert {"user": "me", "password": "[redacted]"} == arguments
        assert "\ud83d" == messages[0]["content"]
        assert [1, 2] == list(messages[1]["of_tokens"].values())
        assert "ghp_" not in event["messages"]


@pytest.mark.parametrize(
    ("last", "token_ids", "attributes", "expected"),
    [
        ({"role": "assistant", "content": "a"}, [5, END], {}, ("stop", False)),
        ({"role": "assistant", "content": "a"}, [5, 6], {}, ("length", True)),
        ({"role": "tool", "content": "a"}, [5, 6], {}, ("stop", False)),
        ({"role": "tool", "content": "a"}, [5] * 100, {}, ("length", True)),
        (
            {"role": "tool", "content": "a"},
            [5, 6],
            {"max_tool_calling_iterations": 1},
            ("tool_limit", False),
        ),
        (
            {"role": "assistant", "tool_calls": [{"function": {"name": "f"}}]},
            [5, END],
            {"max_tool_calling_iterations": 1},
            ("tool_limit", False),
        ),
        (
            {"role": "assistant", "tool_calls": [{"function": {"name": "f"}}]},
            [5, END],
            {"max_tool_calling_iterations": 9},
            ("length", True),
        ),
    ],
)
def test_why_a_completion_ended(
    last: dict[str, Any],
    token_ids: list[int],
    attributes: dict[str, Any],
    expected: tuple[str, bool],
) -> None:
    """The end of a rollout follows from its messages where tools are used, else its last token."""
    conversation = [
        {"role": "assistant", "tool_calls": [{"function": {"name": "f"}}]},
        {"role": "tool", "name": "f", "content": "1"},
        *([last] if last["role"] == "assistant" else []),
    ]
    trainer = StandIn(**({"tools": [str]} if attributes else {}), **attributes)
    with capture_events() as events, attach(trainer):
        trainer.step([conversation] * 2, token_ids=[token_ids] * 2)
    assert {expected} == {
        (event["ended_by"], event["truncated"]) for event in of_type(events, "model_output")
    }


def test_real_rollouts_with_tools(tmp_path: Path) -> None:
    """TRL's own tool loop: calls, failures, thinking, `log_extra` and the end of each rollout are
    recorded, and the messages equal those that the trainer scored."""
    end = "<|im_end|>"
    script = [
        [
            "<think>\nA sum.\n</think>\n\n" + call_of("add", '{"a": 40, "b": 2}') + end,
            call_of("add", '{"a": -1, "b": 2}') + call_of("nothing", "{}") + end,
            "no tool" + end,
            "cut off",
        ],
        ["<answer>42</answer>" + end, call_of("add", '{"a": 1, "b": 2}') + end],
    ]
    trainer = make_tool_trainer(tmp_path, script, max_tool_calling_iterations=1)
    batches = record_completions(trainer)
    with capture_events("tag_step", "flatten_rewards") as events, attach(trainer):
        trainer.train()
    outputs = of_type(events, "model_output")
    scored = list(flatten(batches))

    assert scored == [json.loads(event["messages"]) for event in outputs]
    assert [1, 3, 0, 0] == [event["tool_calls"] for event in outputs]
    assert [0, 2, 0, 0] == [event["tool_failures"] for event in outputs]
    assert [2, 2, 1, 1] == [event["turns"] for event in outputs]
    ends = ["stop", "tool_limit", "stop", "length"]
    assert ends == [event["ended_by"] for event in outputs]
    assert ("A sum.", "42") == (outputs[0]["reasoning"], outputs[0]["answer"])
    assert [c[-1]["content"] for c in scored] == [event["last_content"] for event in outputs]
    assert all(event["prompt"].startswith("system: Use the tool.\n") for event in outputs)
    assert {"add"} == {json.loads(e["tools"])[0]["function"]["name"] for e in outputs}
    (training,) = of_type(events, "training")
    assert training["tools/call_frequency"] == sum(e["tool_calls"] for e in outputs[:2]) / 4 - 1 / 4
    produced = [event["completion_tokens"] for event in outputs]
    assert training["completions/mean_length"] == sum(produced) / 4
