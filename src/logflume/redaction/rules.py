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
        is_mixed: Whether it must have capitals, small letters and digits, as no hash has.
        allowed: Patterns of texts that are not secrets.
    """

    name: str
    pattern: str
    keywords: list[str]
    group: int = 0
    entropy: float = 0
    is_assigned: bool = False
    is_mixed: bool = False
    allowed: list[str] = []

    @cached_property
    def compiled(self) -> Any:
        """The compiled pattern."""
        return pattern(self.pattern)

    @cached_property
    def compiled_allowed(self) -> list[Any]:
        """The compiled patterns of texts that are not secrets."""
        return [pattern(one) for one in self.allowed]

    def find(self, text: bytes) -> Iterator[tuple[int, int]]:
        """Yield the spans of the secrets of this kind, up to the end of the token."""
        for match in self.compiled.finditer(text):
            span = match.span(self.group or match.lastindex or 0)
            secret = text[slice(*span)]
            if (self.is_assigned and not is_random(secret)) or _entropy(secret) < self.entropy:
                continue
            if self.is_mixed and not _is_mixed(secret):
                continue
            if not any(one.search(secret) for one in self.compiled_allowed):
                yield span[0], _TOKEN_REST.match(text, span[1]).end()


class _Vendored(msgspec.Struct):
    """The contents of `gitleaks.json`."""

    rules: list[_Rule]


_KEY = r"[A-Za-z0-9_-]"

_OF, _NAMED = ("api", "access", "auth"), ("key", "token")
_MARKS = ("key", "secret", "token", "tkn", "auth", "jwt", "live", "prod", "pat", "pw", "sk")

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
    _Rule(
        "W&B login",
        r"(?i)\bwandb\b[^\n]{0,40}?\b(?:login|key)\b[^\n]{0,60}?\b([a-f0-9]{40})\b",
        ["wandb"],
    ),
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
        "marked as secret",  # tskey-auth-…, sb_secret_…, hf_oauth_…, bb_live_…, pscale_pw_…
        r"\b(?:[a-z][a-z0-9]{0,11}[_-]){0,3}[a-z0-9]{0,8}"
        rf"(?:{'|'.join(_MARKS)})[_-]([A-Za-z0-9_-]{{20,}})",
        [f"{mark}{end}" for mark in _MARKS for end in "_-"],
        is_mixed=True,
    ),
    _Rule("Netlify, Braintrust", rf"\b(?:nf[pc]_|bt-st-){_KEY}{{30,}}", ["nfp_", "nfc_", "bt-st-"]),
    _Rule("Fly", r"\bfm\d[a-z]?_[A-Za-z0-9+/=_-]{30,}", ["fm1", "fm2"]),
    _Rule("Sentry", r"\bsntry[su]_[A-Za-z0-9+/=_-]{30,}", ["sntry"]),
    _Rule("Firecrawl, E2B", r"\b(?:fc-|e2b_|dtn_)[a-f0-9]{32,}", ["fc-", "e2b_", "dtn_"]),
    _Rule("Helicone", r"\bsk-helicone-[a-z0-9-]{20,}", ["sk-helicone-"]),
    _Rule("Anyscale", r"\besecret_[A-Za-z0-9]{30,}", ["esecret_"]),
    _Rule("Mapbox", r"\b[st]k\.eyJ[\w-]{20,}\.[\w-]{16,}", [".eyj"]),
    _Rule("Lambda", r"\bsecret_[\w-]{1,60}_[a-f0-9]{32}\.[A-Za-z0-9]{32}", ["secret_"]),
    _Rule("Dropbox", r"\bsl\.(?:[a-z]\.)?[\w-]{100,}", ["sl."]),
    _Rule("Bitbucket", r"\bATBB[A-Za-z0-9]{24,}", ["atbb"], is_mixed=True),
    _Rule("Okta", r"\bSSWS\s{1,3}([\w-]{20,})", ["ssws"]),
    _Rule("Alibaba", r"\bLTAI[A-Za-z0-9]{16,26}\b", ["ltai"], is_mixed=True),
    _Rule("Tencent", r"\bAKID[A-Za-z0-9]{28,40}\b", ["akid"], is_mixed=True),
    _Rule("Yandex", r"\bAQVN[\w-]{35,}", ["aqvn"]),
    _Rule(
        "webhook",
        r"(?:hooks\.zapier\.com/hooks/catch|webhook\.office\.com/webhookb2)/([\w/@-]{8,})",
        ["zapier.com", "webhook.office.com"],
    ),
    _Rule(
        "password option",
        r"(?i)\b(?:sshpass|(?:docker|podman|helm registry) login|mongo(?:sh)?)\b[^\n;|&]{0,120}?"
        r"\s-p\s{0,3}([^\s-]\S{3,})",
        ["sshpass", "login", "mongo"],
    ),
    _Rule(
        "MySQL",
        r"\b(?:mysql\w*|mariadb\w*)\s(?:[^\n;|&]{0,120}?\s)?-p(\w\S{3,})",
        ["mysql", "mariadb"],
    ),
    _Rule("Redis", r"\bredis-cli\s(?:[^\n;|&]{0,80}?\s)?-a\s{0,3}([^\s-]\S{3,})", ["redis-cli"]),
    _Rule("OpenAI session", r"\bsess-[A-Za-z0-9]{32,}", ["sess-"], is_mixed=True),
    _Rule("pydantic", r"""SecretStr\(\\?['"]([^'"\\*]{4,})""", ["secretstr("]),
    _Rule(
        "element",
        r"(?i)<(?:[\w.-]{0,30}(?:password|passwd|secret|api_?key|(?:access|auth)_?token))>"
        r"([^<>\s]{4,})</",
        ["</"],
    ),
    _Rule(
        "name before",
        r"(?i)\b(?:secret|password|(?:api|access|auth)[ _-](?:key|token))\s{1,3}"
        r"([A-Za-z0-9+/=_-]{20,})",
        ["secret ", "password ", *(f"{o}{s}{n} " for o in _OF for s in " _-" for n in _NAMED)],
        is_mixed=True,
    ),
    _Rule(
        "setx",
        r"(?i)\bsetx\s{1,3}\w{0,40}(?:key|token|secret|password)\s{1,3}(\S{6,})",
        ["setx"],
    ),
    _Rule(
        "set command",
        r"(?i)\bset\s{1,3}(?:\w{1,20}\s{1,3})?(?:api|access|auth|secret)[_-]?(?:key|token)\s{1,3}"
        r"([^\s=:]{8,})",
        ["api", "access", "auth", "secret"],
        is_assigned=True,
    ),
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
    if _UUID.search(text):
        return True
    for match in _RUN.finditer(text):
        run = match[0]
        is_mixed = not (run.isalpha() or run.isdigit())
        if is_mixed and _entropy(run) >= _MIN_ENTROPY_BITS:
            return True
    return False


def _is_mixed(text: bytes) -> bool:
    """Whether a text has a long part of capitals, small letters and digits, unlike CamelCase."""
    for match in _RUN.finditer(text):
        run = match[0]
        in_words = sum(len(word[0]) for word in _WORD_REST.finditer(run))
        if (
            len(run) >= _MIXED_LENGTH
            and all(kind.search(run) for kind in _KINDS)
            and in_words < _MAX_IN_WORDS * len(run)
        ):
            return True
    return False


def _entropy(text: bytes) -> float:
    """Return the Shannon entropy in bits per byte."""
    counts = Counter(text).values()
    return sum(count / len(text) * log2(len(text) / count) for count in counts)


_RUN = pattern(r"[A-Za-z0-9]{10,}")
_UUID = pattern(r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b")
_KINDS = [pattern(kind) for kind in ("[a-z]", "[A-Z]", "[0-9]")]
_WORD_REST = pattern("[a-z]{4,}")
_MIXED_LENGTH = 16
_MAX_IN_WORDS = 0.3
"""Of random letters and digits a tenth is in such parts, of CamelCase more than half."""
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
