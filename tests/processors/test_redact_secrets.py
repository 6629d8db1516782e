"""`redact_secrets`: secrets are replaced, and nothing else."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import logflume
from logflume.processors.redact_secrets import RedactSecrets
from logflume.redaction.texts import redact_text
from logflume.testing import capture_events
from tests.event_helpers import fields, only

R = "[redacted]"
MIXED = "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dF3hJ5"
JWT = ".".join(
    base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
    for part in ({"alg": "HS256", "typ": "JWT"}, {"sub": "1234567890"}, "signature")
)
PRIVATE_KEY = (
    f"-----BEGIN OPENSSH PRIVATE KEY-----\n{MIXED}\n{MIXED}\n-----END OPENSSH PRIVATE KEY-----"
)

# Concatenated, so that secret scanners don't report the examples.
TOKENS = {
    "Hugging Face": "hf_" + MIXED[:34],
    "OpenAI": "sk-" + "proj-" + MIXED,
    "Anthropic": "sk-" + "ant-api03-" + MIXED + "-" + MIXED,
    "OpenRouter": "sk-" + "or-v1-" + MIXED,
    "NVIDIA": "nvapi-" + MIXED,
    "Groq": "gsk_" + MIXED,
    "Replicate": "r8_" + MIXED,
    "PyPI": "pypi-" + "AgEIcHlwaS5vcmc" + MIXED,
    "npm": "npm_" + MIXED,
    "Stripe": "sk_live_" + MIXED[:24],
    "GitHub": "ghp_" + MIXED,
    "GitHub app": "ghs_" + MIXED,
    "GitHub fine-grained": "github_pat_" + MIXED[:22] + "_" + MIXED,
    "GitLab": "glpat-" + MIXED[:20],
    "Slack": "xoxb-" + "123456789012-" + MIXED[:24],
    "AWS": "AKIA" + "IOSFODNN7EXAMPLE",
    "Google": "AIza" + MIXED[:35],
    "JSON web token": JWT,
    "private key": PRIVATE_KEY,
}


@pytest.mark.parametrize("kind", TOKENS)
@pytest.mark.parametrize(
    "frame", ["{}", "Login with {} failed", '{{"x": "{}"}}', "({}),", "x={}\n"]
)
def test_tokens_are_recognized_by_their_form(kind: str, frame: str) -> None:
    """Tokens of common services are replaced; the surrounding text is unchanged."""
    assert frame.format(R) == redact_text(frame.format(TOKENS[kind]))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("password=hunter22", f"password={R}"),
        ("password: hunter22", f"password: {R}"),
        ("password = 'correct horse battery'", f"password = '{R}'"),
        ("PASSWORD=12345678 x", f"PASSWORD={R} x"),
        ("passwd=$ecret123!", f"passwd={R}"),
        ('{"api_key": "abcd1234"}', '{"api_key": "[redacted]"}'),
        ('{\\"api_key\\": \\"abcd1234\\"}', '{\\"api_key\\": \\"[redacted]\\"}'),
        ("{'client_secret': 'abcd1234', 'n': 1}", f"{{'client_secret': '{R}', 'n': 1}}"),
        ("export WANDB_API_KEY=0123456789abcdef0123", f"export WANDB_API_KEY={R}"),
        ("AWS_SECRET_ACCESS_KEY=wJalr/K7MDENG+bPx", f"AWS_SECRET_ACCESS_KEY={R}"),
        ("HF_TOKEN=abc123def456", f"HF_TOKEN={R}"),
        ("accessToken=abc123def456", f"accessToken={R}"),
        ("train.py --hf-token abc123def456 --n 2", f"train.py --hf-token {R} --n 2"),
        ("train.py --password hunter22", f"train.py --password {R}"),
        ("train.py --api-key=hunter22", f"train.py --api-key={R}"),
        ("GET /x?token=abc123def456&n=1", f"GET /x?token={R}&n=1"),
        ("Authorization: Bearer abcdefgh12345678", f"Authorization: Bearer {R}"),
        ("Authorization: Basic dXNlcjpwYXNz", f"Authorization: Basic {R}"),
        ("https://me:hunter22@host/x", f"https://{R}@host/x"),
        ("redis://:hunter22@host:6379/0", f"redis://{R}@host:6379/0"),
        ("postgresql+psycopg://u:p%40ss@db", f"postgresql+psycopg://{R}@db"),
    ],
)
def test_secrets_are_recognized_by_their_name(text: str, expected: str) -> None:
    """A value that a text assigns to a password, key or token is replaced."""
    assert expected == redact_text(text)


@pytest.mark.parametrize(
    "text",
    [
        "num_tokens=50000 max_new_tokens: 128",
        "tokenizer=AutoTokenizer.from_pretrained('google/gemma-3-1b-it')",
        "The tokenizer has new PAD/BOS/EOS tokens: {'eos_token_id': 106, 'pad_token': '<pad>'}",
        "Setting `pad_token_id` to `eos_token_id`:2 for open-end generation.",
        "loss per token: 0.123456, time per token: 12.5ms, tokens: [1, 2, 3]",
        "next token: Paris; token='hello', token = 'antidisestablishment'",
        "Forgot your password? The key: work hard. Bearer of bad news.",
        "task-oriented risk-adjusted desk-bound-and-other-long-words sk-learn-is-a-package-name",
        'password = os.environ["PASSWORD"]',
        "login(token=token, password=self.password, api_key=get_key())",
        "def connect(password: str, api_key: str | None = None, secret: Optional[str] = None):",
        "token = tokenizer.decode(ids[0])",
        "api_key=None, secret=False, hub_token='<HUB_TOKEN>', password=$PASSWORD, token={token}",
        "http://host:8080/path?x=a@b see me@host.org and 12:30@noon",
        '{"a":"http://host","b":"x@y"}',
        "hf_transfer, hf_hub_download, ghp, AKIA, eyJ, sk-1",
        "f(x) = 2 * x  # secret sauce",
        "Author: me, authority=1, tokenization: fast, secretary=Ann",
    ],
)
def test_ordinary_text_is_unchanged(text: str) -> None:
    """Prose, code, settings and templates are unchanged."""
    assert text == redact_text(text)


def redacted(event: str, /, **values: Any) -> dict[str, Any]:
    """Log an event through the pipeline, and return its fields."""
    with capture_events("redact_secrets") as events:
        logflume.get_logger().info(event, **values)
    return fields(only(events))


SECRET_NAMES = (
    "access_token hf_token HF_TOKEN hub-token api_key apiKey password db.password clientSecret"
    " aws_secret_access_key authorization credentials private_key"
)
OTHER_NAMES = (
    "num_tokens tokenizer eos_token pad_token token_ids author key secretary auth_kind"
    " password_length eosToken next_token"
)


@pytest.mark.parametrize("name", SECRET_NAMES.split())
def test_fields_named_like_a_secret(name: str) -> None:
    """The text of such a field is replaced in every event, at any depth, including lists."""
    event = redacted("probe", **{name: "x y"}, m={name: "x", "list": [1]}, deep=[{name: ["x"]}])

    assert {name: R, f"m/{name}": R, "m/list": [1.0]} == {
        key: value for key, value in event.items() if key != "deep"
    }


@pytest.mark.parametrize("name", OTHER_NAMES.split())
def test_fields_with_similar_names(name: str) -> None:
    """Special tokens of a tokenizer, counts and the like are unchanged."""
    assert {name: "x y"} == redacted("probe", **{name: "x y"})


def test_numbers_are_unchanged() -> None:
    """Numbers and lists of numbers are not secrets: `token=17` is the id of a token."""
    assert {"token": 17.0, "m/api_key": None} == redacted("probe", token=17, m={"api_key": None})


def test_messages_and_exceptions_are_searched() -> None:
    """Messages, and exceptions with their tracebacks, are searched."""
    with capture_events("redact_secrets") as events:
        try:
            raise ValueError(f"cannot log in with {TOKENS['GitHub']}")
        except ValueError:
            logflume.get_logger().exception("checkpoint", path=f"at {TOKENS['GitHub']}")
        logflume.get_logger().warning("Login with %s failed", TOKENS["Hugging Face"])
    text = json.dumps([dict(event) for event in events])

    assert TOKENS["GitHub"] not in text
    assert TOKENS["Hugging Face"] not in text
    assert f"Login with {R} failed" in text


def test_the_configuration_is_searched() -> None:
    """The configuration and command line in `run_started` are searched."""
    hyperparameters = {"hub_token": "abcdefgh", "beta": 0.5, "eos_token": "<eos>"}

    with capture_events("redact_secrets") as events:
        logflume.get_logger("mine").info("run_started", hyperparameters=hyperparameters)
    (event,) = (event for event in events if event["logger"] == "mine")

    assert {f"hyperparameters/{n}": hyperparameters[n] for n in hyperparameters} | {
        "hyperparameters/hub_token": R
    } == fields(event)


def test_completions_are_searched_on_request() -> None:
    """Completions are only searched if the configuration says so."""
    text = f"my key is {TOKENS['GitHub']}"
    with capture_events({"redact_secrets": {"events": ["model_output"]}}) as events:
        logflume.log_model_output(model_output=text)

    assert text == redacted("model_output", model_output=text)["model_output"]
    assert f"my key is {R}" == only(events)["model_output"]


FRAGMENTS = (
    "password token = : -- :// @ hunter22 api_key Bearer x < None -----BEGIN PRIVATE KEY-----"
)
PIECES = st.sampled_from([*TOKENS.values(), *FRAGMENTS.split(), R, " ", ": ", '"', "'", "\\", "\n"])
TEXTS = st.lists(PIECES | st.text(max_size=4), max_size=12).map("".join)


@settings(deadline=None)
@given(TEXTS)
def test_redaction_is_idempotent(text: str) -> None:
    """Redacting a redacted text again doesn't change it."""
    once = redact_text(text)

    assert once == redact_text(once)


VALUES = st.recursive(
    st.none() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


@settings(deadline=None)
@given(st.sampled_from(["message", "probe", "run_started"]), st.dictionaries(TEXTS, VALUES))
def test_any_event(event_type: str, values: dict[str, Any]) -> None:
    """For any event, the names and the types of the values are unchanged, and nothing raises."""
    event = {**values, "event": event_type}
    once = dict(RedactSecrets()(None, "info", dict(event)))

    assert event.keys() == once.keys()
    assert [type(value) for value in event.values()] == [type(value) for value in once.values()]
    assert once == RedactSecrets()(None, "info", dict(once))


@pytest.mark.parametrize(
    "text", ["-" * 200_000, "a." * 100_000, "://" * 60_000, "token" * 40_000, "sk-" * 60_000]
)
def test_long_texts_take_linear_time(text: str) -> None:
    """No text makes the search backtrack from each of its characters."""
    assert text == redact_text(text)
