"""Secrets are replaced in texts and in all that a run records, and harmless texts are not."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import logflume
from logflume.redaction.field_names import Secrecy, secrecy
from logflume.redaction.texts import redact_text
from logflume.testing import capture_events
from tests.event_helpers import fields, only
from tests.instruction_counts import count_instructions
from tests.redaction.rates import altered, missed
from tests.redaction.samples import HARMLESS, HARMLESS_FORMS, SECRET_FORMS, SECRETS

R = "[redacted]"


@pytest.mark.parametrize("kind", SECRETS)
def test_secrets_within_texts(kind: str) -> None:
    """A secret is replaced at the end of a text and within it; the text before it is unchanged."""
    frame, secret = SECRETS[kind]
    before = frame.format("\0").partition("\0")[0]
    for text in (frame.format(secret), f"{frame.format(secret)} and more\n"):
        redacted = redact_text(text)
        assert secret not in redacted
        assert R in redacted
        assert redacted.startswith(before[:10])


@pytest.mark.parametrize("text", HARMLESS)
def test_harmless_texts(text: str) -> None:
    """Prose, code, formulas, hashes, ids, paths, images and names of models are unchanged."""
    assert text == redact_text(text)


DRAWS = 300
MAX_WRONG = 3
"""One in a hundred. The least that is measured is one in 300; the rates of most kinds are zero."""


@pytest.mark.parametrize("kind", SECRET_FORMS)
def test_secrets_whatever_they_are(kind: str) -> None:
    """Of each kind of secret, at least 99% are replaced."""
    assert len(missed(kind, DRAWS)) <= MAX_WRONG


@pytest.mark.parametrize("kind", HARMLESS_FORMS)
def test_harmless_texts_whatever_they_are(kind: str) -> None:
    """Of each kind of harmless text, at least 99% are unchanged."""
    assert len(altered(kind, DRAWS)) <= MAX_WRONG


NAMES = ["pwd", "dsn", "jwt", "cookie", "GITHUB_PAT", "dbPassword", "x-api-key", "auth/token"]


@pytest.mark.parametrize("name", NAMES)
def test_names_of_secrets(name: str) -> None:
    """Names of common collections are recognized, in any style."""
    assert secrecy(name) is Secrecy.CERTAIN


def test_secrets_in_any_field() -> None:
    """With the processor, all texts of all events are searched, at any depth."""
    frames = [frame.format(secret) for frame, secret in SECRETS.values()]
    with capture_events("redact_secrets") as events:
        for frame in frames:
            logflume.get_logger().info("probe", a=frame, b=[frame], c={"d": [{"e": frame}]})
            logflume.get_logger().info("said: %s", frame)
    text = repr([dict(event) for event in events])

    assert text.count(R) >= 4 * len(frames)
    assert [] == [kind for kind, (_, secret) in SECRETS.items() if repr(secret)[1:-1] in text]


@pytest.mark.parametrize(
    "value",
    [
        {"username": "me", "key": SECRETS["Kaggle"][1]},
        {"name": "DB_PASSWORD", "value": "hunter22"},
        [{"Key": "API_TOKEN", "Value": SECRETS["GitHub"][1]}],
        ["password", "Hunter22-x"],
        ("HF_TOKEN", SECRETS["Kaggle"][1]),
        {"contrase\u00f1a": "hunter22", "contrasen\u0303a": "hunter22", "\uff50wd": "hunter22"},
    ],
)
def test_secrets_that_another_value_names(value: Any) -> None:
    """A name may be a value next to the secret, and have any form of Unicode."""
    secrets = ["hunter22", "Hunter22-x", SECRETS["Kaggle"][1], SECRETS["GitHub"][1]]
    with capture_events("redact_secrets") as events:
        logflume.get_logger().info("probe", a=value)
    text = repr(fields(only(events)))

    assert R in text
    assert [] == [secret for secret in secrets if secret in text]


@pytest.mark.parametrize(
    "value",
    [
        ["password", "username"],
        ["token", "Paris"],
        {"name": "loss", "value": "0.25"},
        {"key": "model.layers.12.mlp", "user": "What is 2 + 2?"},
    ],
)
def test_names_that_name_no_secret(value: Any) -> None:
    """Lists of names, and keys of other things, are unchanged."""
    with capture_events("redact_secrets") as events:
        logflume.get_logger().info("probe", a=value)

    assert R not in repr(fields(only(events)))


TOKENS: dict[str, Any] = {
    "logprobs": [{"token": "Hello", "logprob": -0.5}, {"token": " sk-learn"}],
    "messages": [{"role": "tool", "content": "password=hunter22", "token": "x"}],
    "model_output": "my password is hunter22",
    "eos_token": "<eos>",
    "next_token": "Paris",
    "api_tokens_used": "many",
}


@pytest.mark.parametrize("event", ["model_output", "sample"])
def test_what_a_model_wrote_is_unchanged(event: str) -> None:
    """Completions, conversations and what a tokenizer calls `token` are recorded as they are."""
    with capture_events() as plain:
        logflume.get_model_logger().info(event, **TOKENS)
    with capture_events("redact_secrets") as events:
        logflume.get_model_logger().info(event, **TOKENS)

    assert fields(only(plain)) == fields(only(events))


def test_settings_and_exceptions_without_the_processor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Configuration, command line, hyperparameters, tracebacks and faults never have secrets."""
    secret = SECRETS["GitHub"][1]
    monkeypatch.setattr(sys, "orig_argv", ["python", "train.py", "--hf-token", secret])
    config = {
        "root": {"sinks": ["jsonl", "broken"]},
        "processors": [],
        "worker": "thread",
        "sinks": {
            "jsonl": {"path": "{dir}/{run}/events.jsonl"},
            "broken": {"type": "tests.redaction.failing_sink:FailingSink", "secret": secret},
        },
    }
    run = logflume.initialize(config, dir=tmp_path)
    log = logflume.get_logger()
    log.info("run_started", hyperparameters={"hub_token": "abc", "url": f"https://u:{secret}@h"})
    log.info("sweep", config={"password": "abc"}, argv=["--password", secret], note="ok")
    try:
        raise ValueError(secret)
    except ValueError:
        log.exception("step failed")
        log.info("model_output", model_output="x", exc_info=True)
    logflume.shutdown()
    journal = (run.folder / "events.jsonl").read_text()

    assert secret not in journal
    assert '"abc"' not in journal
    assert journal.count(R) > 8


def test_lines_on_standard_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The line that says why a sink failed has no secret."""
    secret = SECRETS["GitHub"][1]
    sink = {"type": "tests.redaction.failing_sink:FailingSink", "secret": secret}
    logflume.initialize(
        {"root": {"sinks": ["broken"]}, "worker": "thread", "sinks": {"broken": sink}},
        dir=tmp_path,
    )
    logflume.get_logger().info("probe", a=1)
    logflume.shutdown()
    printed = capfd.readouterr().err

    assert "logflume: broken failed: " in printed
    assert R in printed
    assert secret not in printed


PIECES = [
    *(secret for _, secret in SECRETS.values()),
    *("password", "token", "key", "=", ":", '"', "'", "://", "@", "eyJ-", "sk-", "curl -H "),
    *("-----BEGIN PRIVATE KEY-----", "--token ", "api_key: x9 "),
]
UNITS = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), min_size=1, max_size=4)


@settings(deadline=None)
@given(UNITS.map("".join).filter(bool))
def test_work_is_linear(unit: str) -> None:
    """Twice the text takes at most about twice the instructions; RE2 itself is linear."""
    short = unit * (1_000 // len(unit) + 1)
    redact_text(short)  # compiles the patterns that this text needs
    work = count_instructions(lambda: redact_text(short))
    twice = count_instructions(lambda: redact_text(short + short))

    assert twice <= 2.2 * work + 1_000
    assert work <= 100 * len(short) + 5_000


@pytest.mark.parametrize(
    "unit", ["eyJ-", "token=", "password=x ", "://a:", "-----BEGIN PRIVATE KEY-----", "a."]
)
def test_long_messages_are_not_lost(unit: str, tmp_path: Path) -> None:
    """Messages of a million characters that patterns could choke on are written before the end."""
    sinks = {"jsonl": {"path": "{dir}/{run}/events.jsonl"}}
    config = {"root": {"sinks": ["jsonl"]}, "processors": ["redact_secrets"], "sinks": sinks}
    run = logflume.initialize(config, dir=tmp_path)
    for _ in range(3):
        logflume.get_logger().info(f"long: {unit * (10**6 // len(unit))} said the model")

    is_complete = logflume.shutdown(timeout_s=60)
    assert is_complete
    assert 3 == (run.folder / "events.jsonl").read_text().count('"long: ')
