"""The patterns of secrets that are recognized by their form, and the test of randomness."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cache, cached_property
from math import log2
from pathlib import Path
from typing import Any

import msgspec
import re2  # type: ignore[import-untyped]

__all__ = ["find_known", "is_random", "pattern"]

_OPTIONS = re2.Options()
_OPTIONS.log_errors = False
_KEYWORD_OPTIONS = re2.Options()
_KEYWORD_OPTIONS.literal = True
_KEYWORD_OPTIONS.case_sensitive = False

_MIN_ENTROPY_BITS = 3.0
"""Bits per character from which on text looks random: a word has less, and few other characters."""


class _Rule(msgspec.Struct, dict=True):
    """The form of one kind of secret.

    Attributes:
        name: Its name.
        pattern: What matches it.
        keywords: Parts of which a text must have one, in lower case.
        group: The group of the pattern that is the secret; 0: the first that takes part.
        entropy: The bits per character that it has at least.
        is_assigned: Whether it is recognized by a name before it, so that it must look random.
        allowed: Patterns of texts that are no secrets.
    """

    name: str
    pattern: str
    keywords: list[str]
    group: int = 0
    entropy: float = 0
    is_assigned: bool = False
    allowed: list[str] = []

    @cached_property
    def compiled(self) -> Any:
        """The compiled pattern."""
        return pattern(self.pattern)

    @cached_property
    def compiled_allowed(self) -> list[Any]:
        """The compiled patterns of texts that are no secrets."""
        return [pattern(one) for one in self.allowed]

    def find(self, text: bytes) -> Iterator[tuple[int, int]]:
        """Yield the spans of the secrets of this kind, up to the end of the token."""
        for match in self.compiled.finditer(text):
            span = match.span(self.group or match.lastindex or 0)
            secret = text[slice(*span)]
            if (self.is_assigned and not is_random(secret)) or _entropy(secret) < self.entropy:
                continue
            if not any(one.search(secret) for one in self.compiled_allowed):
                yield span[0], _TOKEN_REST.match(text, span[1]).end()


class _Vendored(msgspec.Struct):
    """The contents of `gitleaks.json`."""

    rules: list[_Rule]


_KEY = r"[A-Za-z0-9_-]"

_OWN_RULES = [
    _Rule("Hugging Face", r"\b(?:hf|api_org)_[A-Za-z0-9]{30,}", ["hf_", "api_org_"]),
    _Rule("OpenAI and others", rf"\bsk-{_KEY}{{20,}}", ["sk-"], is_assigned=True),
    _Rule("NVIDIA", rf"\bnvapi-{_KEY}{{30,}}", ["nvapi-"]),
    _Rule("Groq, Replicate", r"\b(?:gsk|r8)_[A-Za-z0-9]{30,}", ["gsk_", "r8_"]),
    _Rule("xAI", r"\bxai-[A-Za-z0-9]{30,}", ["xai-"]),
    _Rule("Perplexity", r"\bpplx-[A-Za-z0-9]{30,}", ["pplx-"]),
    _Rule("Together AI", rf"\btgp_v\d_{_KEY}{{30,}}", ["tgp_v"]),
    _Rule("Fireworks", r"\bfw_[A-Za-z0-9]{20,}", ["fw_"], is_assigned=True),
    _Rule("Jina", r"\bjina_[A-Za-z0-9_-]{40,}", ["jina_"]),
    _Rule("LangSmith", r"\blsv2_(?:pt|sk)_\w{30,}", ["lsv2_"]),
    _Rule("Langfuse", r"\b[sp]k-lf-[a-f0-9-]{30,}", ["k-lf-"]),
    _Rule("Tavily", rf"\btvly-{_KEY}{{20,}}", ["tvly-"]),
    _Rule("Pinecone", r"\bpcsk_\w{30,}", ["pcsk_"]),
    _Rule("W&B", rf"\b(?:wandb_v\d_{_KEY}{{30,}}|local-[a-f0-9]{{40}})", ["wandb_v", "local-"]),
    _Rule("Gemini", rf"\bAQ\.{_KEY}{{40,}}", ["aq."]),
    _Rule("Cerebras", r"\bcsk-[a-z0-9]{40,}", ["csk-"]),
    _Rule("Modal", r"\b(?:ak|as)-[A-Za-z0-9]{20,}", ["ak-", "as-"], is_assigned=True),
    _Rule("RunPod", r"\brpa_[A-Z0-9]{30,}", ["rpa_"]),
    _Rule("ElevenLabs", r"\bsk_[A-Za-z0-9]{32,}", ["sk_"], is_assigned=True),
    _Rule("Vault", rf"\bhv[sbr]\.{_KEY}{{24,}}", ["hvs.", "hvb.", "hvr."]),
    _Rule("Supabase, Figma", rf"\b(?:sbp|figd)_{_KEY}{{36,}}", ["sbp_", "figd_"]),
    _Rule("PostHog, Resend", r"\b(?:phx|re)_\w{20,}", ["phx_", "re_"], is_assigned=True),
    _Rule("Notion", r"\b(?:secret|ntn)_[A-Za-z0-9]{40,}", ["secret_", "ntn_"]),
    _Rule("W&B login", r"(?i)\bwandb[. ]login\b[^\n]{0,60}?\b([a-f0-9]{40})\b", ["wandb"]),
    _Rule("Voyage", rf"\bpa-{_KEY}{{40,}}", ["pa-"], is_assigned=True),
    _Rule("HubSpot", r"\bpat-[a-z]{2}\d-[0-9a-f-]{36}", ["pat-"]),
    _Rule("Airtable", r"\bpat[A-Za-z0-9]{14}\.[a-f0-9]{40,}", ["pat"]),
    _Rule("netrc", r"(?i)\blogin\s+\S+\s+password\s+(\S{4,})", ["password"]),
    _Rule("Docker", rf"\bdckr_(?:pat|oat)_{_KEY}{{20,}}", ["dckr_"]),
    _Rule("Stripe", r"\b[rs]k_(?:live|test|prod)_[A-Za-z0-9]{16,}", ["k_live", "k_test", "k_prod"]),
    _Rule("Webhook secret", r"\bwhsec_[A-Za-z0-9+/=_-]{24,}", ["whsec_"]),
    _Rule("GitHub", r"\b(?:gh[pousr]_|github_pat_)\w{30,}", ["gh", "github_pat_"]),
    _Rule("GitLab", rf"\bgl(?:pat|rt|dt|ptt|soat|cbt|oas|ft)-{_KEY}{{20,}}", ["gl"]),
    _Rule("PyPI, npm", rf"\b(?:pypi-|npm_){_KEY}{{30,}}", ["pypi-", "npm_"]),
    _Rule("Slack", r"\bx(?:ox[abeoprs]|app)-[A-Za-z0-9-]{10,}", ["xox", "xapp-"]),
    _Rule("Slack webhook", r"hooks\.slack\.com/[a-z]+/([\w/+-]{20,})", ["hooks.slack.com"]),
    _Rule("Discord webhook", r"discord(?:app)?\.com/api/webhooks/(\d+/[\w-]{30,})", ["discord"]),
    _Rule("Discord bot", r"\b[MNO][\w-]{23,27}\.[\w-]{6,7}\.[\w-]{27,}", ["discord"]),
    _Rule("Telegram bot", r"\d{8,10}:AA[\w-]{32,}", [":aa"]),
    _Rule("AWS", r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}", ["akia", "asia", "abia", "acca"]),
    _Rule("Google", rf"\b(?:AIza{_KEY}{{35,}}|GOCSPX-{_KEY}{{20,}})", ["aiza", "gocspx-"]),
    _Rule("Google OAuth", r"\b(?:ya29\.[\w-]{20,}|1//0[\w-]{30,})", ["ya29.", "1//0"]),
    _Rule(
        "Azure",
        r"(?:AccountKey|SharedAccessKey)=([A-Za-z0-9+/]{30,}={0,2})",
        ["accesskey=", "accountkey="],
    ),
    _Rule(
        "Signed URL", r"(?i)[?&](?:sig|x-amz-signature|x-goog-signature)=([\w%+/-]{20,})", ["sig"]
    ),
    _Rule("SendGrid", rf"\bSG\.{_KEY}{{16,}}\.{_KEY}{{20,}}", ["sg."]),
    _Rule("Mailgun", r"\bkey-[0-9a-f]{32}", ["key-"]),
    _Rule("DigitalOcean", r"\bdo[opr]_v1_[a-f0-9]{40,}", ["_v1_"]),
    _Rule("JSON web token", r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}(?:\.[\w-]*)?", ["eyj"]),
    _Rule(
        "private key",
        r"(?s)-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----.*?"
        r"(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|\z)",
        ["-----begin"],
    ),
    _Rule("URL", r"""://([^/\s:@"'<>?#]*:[^/\s@"'<>]+)@""", ["://"]),
    _Rule("URL token", r"""://([^/\s:@"'<>?#]{16,})@""", ["://"], is_assigned=True),
    _Rule("bearer", r"(?i)\bbearer\s{1,3}([A-Za-z0-9._~+/-]{16,}=*)", ["bearer"], is_assigned=True),
    _Rule(
        "authorization",
        r"""(?i)\bauthorization\\?["']?\s{0,3}[=:]\s{0,3}\\?["']?"""
        r"""(?:basic|bearer|token|api-?key|negotiate|digest)\s{1,3}([^\s"'\\,;]{6,})""",
        ["authorization"],
    ),
    _Rule(
        "cookie",
        r"""(?i)\b(?:set-)?cookie\\?["']?\s{0,3}:\s{0,3}\\?["']?([\w.-]+=[^\r\n"'\\]{4,})""",
        ["cookie"],
    ),
]
"""What gitleaks lacks, or has in a form that is too narrow: it reads files, not truncated logs."""


def pattern(text: str) -> Any:
    """Compile a pattern for encoded texts. RE2 needs time linear in the length of the text."""
    return re2.compile(text.encode(), _OPTIONS)


def find_known(text: bytes) -> Iterator[tuple[int, int]]:
    """Yield the spans of all secrets in a text, given as UTF-8, that have a known form."""
    keywords, rules = _load()
    found = keywords.Match(text)
    if found is not None:
        for rule in {rule.name: rule for index in found for rule in rules[index]}.values():
            yield from rule.find(text)


def is_random(text: bytes) -> bool:
    """Whether a text has a part that looks random, unlike words, numbers and versions."""
    for match in _RUN.finditer(text):
        run = match[0]
        is_mixed = not (run.isalpha() or run.isdigit())
        if is_mixed and _entropy(run) >= _MIN_ENTROPY_BITS:
            return True
    return False


def _entropy(text: bytes) -> float:
    """Return the Shannon entropy in bits per byte."""
    counts = Counter(text).values()
    return sum(count / len(text) * log2(len(text) / count) for count in counts)


_RUN = pattern(r"[A-Za-z0-9]{10,}")
_TOKEN_REST = pattern(r"[\w-]*")


@cache
def _load() -> tuple[Any, list[list[_Rule]]]:
    """Return the set of all keywords, and for each the rules that have it."""
    encoded = Path(__file__).with_name("gitleaks.json").read_bytes()
    by_keyword: dict[str, list[_Rule]] = {}
    for rule in (*_OWN_RULES, *msgspec.json.decode(encoded, type=_Vendored).rules):
        for keyword in rule.keywords:
            by_keyword.setdefault(keyword, []).append(rule)
    keywords = re2.Set.SearchSet(_KEYWORD_OPTIONS)
    for keyword in by_keyword:
        keywords.Add(keyword)
    keywords.Compile()
    return keywords, list(by_keyword.values())
