"""The patterns of secrets that are recognized by their form."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from logflume.redaction.patterns import keyword_set, pattern
from logflume.redaction.randomness import entropy, is_mixed, is_random
from logflume.threads import NATIVE_CALLS

__all__ = ["find_known", "load_rules"]


class _Rule(msgspec.Struct, dict=True):
    """The form of one kind of secret.

    Attributes:
        name: Its name.
        pattern: What matches it.
        keywords: Parts of which a text must have one, in lower case.
        group: The group of the pattern that is the secret; 0: the first that takes part.
        entropy: The bits per character that it has at least.
        is_assigned: Whether it is recognized by a name before it, so that it must look random.
        is_mixed: Whether its capitals and small letters must look random, so that it is no hash.
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

    def find(self, text: bytes) -> Iterator[tuple[int, int]]:
        """Yield the spans of the secrets of this kind, up to the end of the token."""
        for match in _compiled(self.pattern).finditer(text):
            NATIVE_CALLS.between()
            span = match.span(self.group or match.lastindex or 0)
            if self._is_secret(text[slice(*span)]):
                yield span[0], _TOKEN_REST.match(text, span[1]).end()

    def _is_secret(self, text: bytes) -> bool:
        return (
            (not self.is_assigned or is_random(text))
            and (not self.is_mixed or is_mixed(text))
            and (not self.entropy or entropy(text) >= self.entropy)
            and not any(_compiled(one).search(text) for one in self.allowed)
        )


class _Vendored(msgspec.Struct):
    """The contents of `gitleaks.json`."""

    rules: list[_Rule]


_KEY = r"[A-Za-z0-9_-]"

_QUOTE = r"""\\{0,7}["']"""
"""Also within a JSON text that is in a text."""
_LABEL = r"""\b(?:name|key|variable)\\{0,7}["']?\s?[:=]\s?\\{0,7}["']?[\w.-]{0,40}"""
_NAMED_VALUE = r"""\\{0,7}["']?,?[\s+-]{0,40}\\{0,7}["']?value\\{0,7}["']?\s?[:=]\s?\\{0,7}["']?"""
"""The name of a variable before its value, as in lists of an environment, or in the diff of one."""

_WORD_MARKS = ("key", "secret", "token", "tkn", "auth")
_SHORT_MARKS = ("jwt", "live", "prod", "pat", "pw", "sk")
"""Marks that are words of their own in a token: `task_…` is not marked by `sk_`."""

_OWN_RULES = [
    _Rule("Hugging Face", r"\b(?:hf(?:_oauth)?|api_org)_[A-Za-z0-9]{30,}", ["hf_", "api_org_"]),
    _Rule("OpenAI and others", rf"\bsk-{_KEY}{{20,}}", ["sk-"], is_assigned=True),
    _Rule("NVIDIA", rf"\bnvapi-{_KEY}{{30,}}", ["nvapi-"]),
    _Rule("Groq", r"\bgsk_[A-Za-z0-9]{30,}", ["gsk_"]),
    _Rule("Replicate", rf"\br8_{_KEY}{{30,}}", ["r8_"], is_mixed=True),
    _Rule("xAI", r"\bxai-[A-Za-z0-9]{30,}", ["xai-"]),
    _Rule("Perplexity", r"\bpplx-[A-Za-z0-9]{30,}", ["pplx-"]),
    _Rule("Together AI", rf"\btgp_v\d_{_KEY}{{30,}}", ["tgp_v"]),
    _Rule("Fireworks", r"\bfw_[A-Za-z0-9]{20,}", ["fw_"], is_mixed=True),
    _Rule("Jina", rf"\bjina_{_KEY}{{40,}}", ["jina_"], is_mixed=True),
    _Rule("LangSmith", r"\blsv2_(?:pt|sk)_\w{30,}", ["lsv2_"]),
    _Rule("Langfuse", r"\b[sp]k-lf-[a-f0-9-]{30,}", ["k-lf-"]),
    _Rule("Tavily", rf"\btvly-{_KEY}{{20,}}", ["tvly-"]),
    _Rule("Pinecone", r"\bpcsk_\w{30,}", ["pcsk_"]),
    _Rule("W&B", rf"\b(?:wandb_v\d_{_KEY}{{30,}}|local-[a-f0-9]{{40}})", ["wandb_v", "local-"]),
    _Rule("Gemini", rf"\bAQ\.{_KEY}{{40,}}", ["aq."]),
    _Rule("Cerebras", r"\bcsk-[a-z0-9]{40,}", ["csk-"]),
    _Rule("Modal", r"\b(?:ak|as)-[A-Za-z0-9]{20,}", ["ak-", "as-"], is_mixed=True),
    _Rule("CoreWeave", rf"\bCW-SECRET-{_KEY}{{20,}}", ["cw-secret-"], is_assigned=True),
    _Rule("Prime Intellect", r"\bpit_[A-Za-z0-9]{30,}", ["pit_"]),
    _Rule("Tinker", rf"\btml-{_KEY}{{30,}}", ["tml-"], is_assigned=True),
    _Rule("Kaggle", r"\bKGAT_[a-f0-9]{32}", ["kgat_"]),
    _Rule("Neptune", r"\beyJhcGlfYWRkcmVzcyI6[A-Za-z0-9+/=]{40,}", ["eyjhcglfywrkcmvzcyi6"]),
    _Rule("Neon", r"\bnapi_[a-z0-9]{40,}", ["napi_"]),
    _Rule("Render", r"\brnd_[A-Za-z0-9]{24,}", ["rnd_"], is_mixed=True),
    _Rule("Vercel", rf"\bvc[aikpr]_{_KEY}{{24,}}", [f"vc{one}_" for one in "aikpr"], is_mixed=True),
    _Rule("Cloudflare", r"\bcf(?:at|k|ut)_[A-Za-z0-9]{40,}", ["cfat_", "cfk_", "cfut_"]),
    _Rule("ngrok", r"\b2[A-Za-z0-9]{26}_\d[A-Za-z0-9]{20}\b", ["ngrok", "authtoken"]),
    _Rule("New Relic", r"\bNRAK-[A-Z0-9]{27}", ["nrak-"]),
    _Rule("CircleCI", r"\bCCIPAT_[A-Za-z0-9]{22}_[a-f0-9]{40}", ["ccipat_"]),
    _Rule("Buildkite", r"\bbkua_[a-z0-9]{40}", ["bkua_"]),
    _Rule("Apify", r"\bapify_api_[A-Za-z0-9]{36}", ["apify_api_"]),
    _Rule(
        "Doppler",
        rf"\bdp\.(?:ct|pt|sa|scim|audit|st(?:\.{_KEY}{{2,35}})?)\.[A-Za-z0-9]{{40,}}",
        [f"dp.{one}." for one in ("ct", "pt", "sa", "st", "scim", "audit")],
    ),
    _Rule("Sourcegraph", r"\bslk_[a-f0-9]{64}", ["slk_"]),
    _Rule("RunPod", r"\brpa_[A-Z0-9]{30,}", ["rpa_"]),
    _Rule("ElevenLabs", r"\bsk_[a-z0-9]{32,}", ["sk_"], is_assigned=True),
    _Rule("Vault", rf"\bhv[sbr]\.{_KEY}{{24,}}", ["hvs.", "hvb.", "hvr."]),
    _Rule("Supabase", rf"\bsb_secret_({_KEY}{{22}}_{_KEY}{{8}})", ["sb_secret_"], is_mixed=True),
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
    _Rule(
        "AWS",
        r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}",
        ["akia", "asia", "abia", "acca"],
        entropy=2.5,  # DNA has two bits
    ),
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
        "marked as secret",  # tskey-auth-…, hf_oauth_…, bb_live_…, pscale_pw_…
        r"\b(?:[a-z][a-z0-9]{0,11}[_-]){0,3}"
        rf"(?:[a-z0-9]{{0,8}}(?:{'|'.join(_WORD_MARKS)})|{'|'.join(_SHORT_MARKS)})[_-]({_KEY}{{20,}})",
        [f"{mark}{end}" for mark in (*_WORD_MARKS, *_SHORT_MARKS) for end in "_-"],
        is_mixed=True,
    ),
    _Rule(
        "Netlify", rf"\bnf[bcopu]_{_KEY}{{30,}}", [f"nf{one}_" for one in "bcopu"], is_mixed=True
    ),
    _Rule("Braintrust", rf"\bbt-st-{_KEY}{{30,}}", ["bt-st-"]),
    _Rule("Fly", r"\bfm\d[a-z]?_[A-Za-z0-9+/=_-]{30,}", ["fm1", "fm2"]),
    _Rule("Sentry", r"\bsntry[su]_[A-Za-z0-9+/=_-]{30,}", ["sntry"]),
    _Rule("Firecrawl, E2B", r"\b(?:fc-|e2b_|dtn_)[a-f0-9]{32,}", ["fc-", "e2b_", "dtn_"]),
    _Rule("Helicone", r"\bsk-helicone-[a-z0-9-]{20,}", ["sk-helicone-"]),
    _Rule("Anyscale", r"\besecret_[A-Za-z0-9]{30,}", ["esecret_"]),
    _Rule("Mapbox", r"\b[st]k\.eyJ[\w-]{20,}\.[\w-]{16,}", [".eyj"]),
    _Rule("Lambda", r"\bsecret_[\w-]{1,60}_[a-f0-9]{32}\.[A-Za-z0-9]{32}", ["secret_"]),
    _Rule("Dropbox", r"\bsl\.(?:[a-z]\.)?[\w-]{100,}", ["sl."]),
    _Rule("Bitbucket", r"\bATBB[A-Za-z0-9]{24,}", ["atbb"]),
    _Rule("Heroku", rf"\bHRKU-{_KEY}{{30,}}", ["hrku-"]),
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
        r"(?i)\b(?:secret|password|(?:api|access|auth)[ _-]?(?:key|token)|key|token)\s{1,3}"
        r"""(?:is\s)?['"(]?([A-Za-z0-9+/=_-]{20,})""",
        ["secret ", "password ", "key ", "token "],
        is_mixed=True,
    ),
    _Rule(
        "setx",
        r"(?:\b(?:setx|SETX|setenv|ENV)|\bset\s-\w{1,4})\s{1,3}"
        r"(?i:\w{0,40}(?:key|token|secret|password|pass|pat))\s{1,3}(\S{6,})",
        ["setx ", "setenv ", "env ", "set -"],
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
    # The password has a slash; what follows the colon is not a port.
    _Rule("URL with a slash", r"""://[^/\s:@"'<>?#]*:([^/\s@"'<>0-9${][^\s@"'<>]*)@""", ["://"]),
    _Rule("URL token", r"""://([^/\s:@"'<>?#]{16,}):?@""", ["://"], is_assigned=True),
    _Rule(
        "URL of a webhook",
        r"""(?i)://[^\s"'?]{1,100}/(?:web)?hooks?/(?:[\w-]{1,40}/){0,4}([\w-]{16,})""",
        ["hook/", "hooks/"],
        is_assigned=True,
    ),
    _Rule(
        "URL parameter",
        r"""(?i)://[^\s"'?]{1,200}\?(?:[^\s"']{0,200}&)?(?:key|code|sig|signature)=([\w%.~+-]{16,})""",
        ["key=", "code=", "sig=", "signature="],
        is_assigned=True,
    ),
    _Rule("Oracle", r"(?i)\boracle:\w{1,10}:[^/\s@]{1,60}/([^@\s]+)@", ["oracle:"]),
    _Rule(
        "user option",
        r"""\b(?:curl|wget|https?|xh)\s(?:[^\n;|&]{0,120}?\s)?(?:-u|-a|--user|--proxy-user|--auth)"""
        r"""[ =]?['"]?[\w.@-]{1,60}:([^\s'":/][^\s'"]{3,})""",
        ["curl ", "wget ", "http ", "https ", "xh "],
    ),
    _Rule(
        "basic authentication",
        r"""(?:\bauth\s?=\s?|BasicAuth)\(\s{0,3}['"][^'"\n]{0,60}['"],\s{0,3}['"]([^'"\n]{3,})""",
        ["auth"],
    ),
    _Rule(
        "pair",  # setdefault('HF_TOKEN', '…')
        r"""(?i)['"][\w.-]{0,40}(?:passw(?:or)?d|secret|(?:api|access|auth|secret|private)_?key"""
        r"""|[a-z]_token)['"],\s{0,3}['"]([^'"\s]{8,})['"]""",
        [f"{name}{quote}" for name in ("d", "secret", "key", "token") for quote in "'\""],
        is_assigned=True,
    ),
    _Rule(
        "pieces",  # token = "ghp_" "…"
        r"""(?i)(?:key|token|secret|password)['"]?\]?\s{0,3}[=:]\s{0,3}\w?['"][^'"\n]{0,20}['"]"""
        r"""\s{0,3}\+?\s{0,3}\w?['"]([^'"\s]{12,})['"]""",
        ["key", "token", "secret", "password"],
        is_assigned=True,
    ),
    _Rule(
        "Pydantic's error",
        r"""(?i)(?:key|token|secret|passw(?:or)?d)\s{1,8}[^\n]{1,200}\binput_value=['"]([^'"\n]{4,})""",
        ["input_value="],
    ),
    _Rule(
        "password for",
        r"(?i)\bpassword for [^\n:]{1,60}:\s{1,3}([^\s\d]{3,}\d\S*)",
        ["password for "],
    ),
    _Rule(
        "password to",
        r"""(?i)\bpassword (?:(?:was |is )?(?:set|changed|reset) )?to\s{1,3}['"]?"""
        r"""([^\s\d'"]{1,40}\d[^\s'"]{3,})""",
        ["password "],
    ),
    _Rule(
        "login",  # cargo login …
        r"\blogin\s{1,3}(?:-{1,2}[\w-]{1,20}[\s=])?['\"]?([A-Za-z0-9_-]{24,})",
        ["login "],
        is_mixed=True,
    ),
    _Rule(
        "quoted password",  # IDENTIFIED BY '…', password (…) rejected
        r"""(?i)\b(?:passw(?:or)?d|passphrase|\w{1,40}_pass|identified\sby)\s{1,3}['"(]"""
        r"""([^\s'"()]{2,40}(?:[0-9!#$%^*]|(?-i:[a-z][A-Z]))[^\s'"()]{0,200})['")]""",
        ["password ", "passwd ", "passphrase ", "_pass ", "identified by"],
    ),
    _Rule(
        "name before hexadecimal digits",
        r"(?i)\b(?:encryption|master|private|secret|signing|api|access)[ _-]key\W{1,4}(?:is\s)?"
        r"([0-9a-f]{32,})\b",
        [f"{one}{s}key" for one in ("ion", "er", "te", "et", "ing", "api", "ss") for s in " _-"],
    ),
    _Rule(
        "argument",  # Client('…'), Fernet(b'…'), Secret(value='…')
        r"""(?i)\b\w{0,30}(?:client|fernet|secret\w{0,8}|login|api|key|token|auth)\((?:\w{1,20}=)?b?\\?['"]"""
        r"""([A-Za-z0-9+/=_-]{20,})['"\\]""",
        ["client(", "fernet(", "secret", "login(", "api(", "key(", "token(", "auth("],
        is_mixed=True,
    ),
    _Rule(
        "cookies",
        r"""(?i)\bcookies\W{1,6}['"]\w{1,40}['"]:\s?['"]([^'"\s]{8,})""",
        ["cookies"],
        is_assigned=True,
    ),
    _Rule(
        "option of a tool",
        r"(?:"
        r"\b(?:zip|unzip)\s(?:[^\n;|&]{0,120}?\s)?-P\s?"
        r"|\b7z[az]?\s(?:[^\n;|&]{0,120}?\s)?-p"
        r"|\b(?:keytool|jarsigner)\s[^\n;|&]{0,120}?-(?:storepass|keypass)\s{1,3}"
        r"|\bldap\w{3,9}\s(?:[^\n;|&]{0,120}?\s)?-w\s{1,3}"
        r"|\bopenssl\s[^\n;|&]{0,120}?(?:\s-k\s{1,3}|pass:)"
        r"|\b(?:smbclient|rpcclient|winexe|smbmap)\s(?:[^\n;|&]{0,120}?\s)?-U\s{0,3}[\w/\\.-]{1,60}%"
        r"|\bssh-keygen\s(?:[^\n;|&]{0,120}?\s)?-N\s{1,3}"
        r"|\bhtpasswd\s(?:-\w+\s)*-\w*b\w*\s\S{1,100}\s\S{1,60}\s"
        r"|\bchpasswd\s{0,3}<<<\s{0,3}['\"]?\w{1,40}:"
        r"|\baz\slogin\s(?:[^\n;|&]{0,120}?\s)?-p\s{1,3}"
        r"|\baws\sconfigure\sset\s\w{0,60}(?:secret|token)\w{0,30}\s{1,3}"
        r")['\"]?([^\s'\"$-][^\s'\"]{3,})",
        [
            *("zip ", "7z", "keytool ", "jarsigner ", "ldap", "openssl ", "smb", "rpcclient "),
            *("winexe ", "ssh-keygen ", "htpasswd ", "chpasswd", "az login ", "aws configure "),
        ],
    ),
    _Rule(
        "echo into a command",
        r"""\becho\s(?:-n\s)?['"]?([^\s'"|$]{4,})['"]?\s?\|\s?[^\n|]{0,80}"""
        r"""(?:sudo\s[^\n|]{0,20}-S|--password-stdin|--with-token|\bpasswd\b|chpasswd)""",
        ["sudo ", "--password-stdin", "--with-token", "passwd"],
    ),
    _Rule(
        "key of a user",  # {"username": "me", "key": "…"}
        rf"""(?i)\b(?:user(?:_?name)?|login|account){_QUOTE}\s?:\s?{_QUOTE}[^"'\\\n]{{1,60}}{_QUOTE}"""
        rf""",\s{{0,9}}{_QUOTE}key{_QUOTE}\s?:\s?{_QUOTE}([A-Za-z0-9+/=_-]{{16,}})""",
        ["key"],
        is_assigned=True,
    ),
    _Rule(
        "value of a password",  # {"name": "DB_PASSWORD", "value": "…"}
        rf"""(?i){_LABEL}(?:passw(?:or)?d|passphrase|(?:client|api|app)_?secret){_NAMED_VALUE}([^\s"'\\]{{4,}})""",
        ["value"],
    ),
    _Rule(
        "value of a name",
        rf"""(?i){_LABEL}(?:key|token|secret|pat|credentials?){_NAMED_VALUE}([^\s"'\\]{{10,}})""",
        ["value"],
        is_assigned=True,
    ),
    _Rule(
        "URL without a scheme",  # rsync me:…@host.example:/data
        r"""(?:^|[\s"'=(,\[])[\w.+-]{1,60}:([^\s:@/"'\\]{10,100})@"""
        r"(?:localhost\b|(?:[A-Za-z0-9-]{1,63}\.){1,8}(?:[a-z]{2,24}|[0-9]{1,3})\b|[a-z][\w-]{0,62}:)",
        ["@"],
        is_assigned=True,
    ),
    _Rule("Linear, ClickUp", r"\b(?:lin_(?:api|oauth)|pk_\d{1,12})_\w{32,}", ["lin_", "pk_"]),
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


@cache
def _compiled(text: str) -> Any:
    """Return a compiled pattern. The cache has no lock that a forked child could inherit."""
    return pattern(text)


def find_known(text: bytes) -> Iterator[tuple[int, int]]:
    """Yield the spans of all secrets of a known form in a text, which is given as UTF-8."""
    keywords, rules = load_rules()
    found = keywords.Match(text)
    if found is not None:
        for rule in {rule.name: rule for index in found for rule in rules[index]}.values():
            yield from rule.find(text)


_TOKEN_REST = pattern(r"[\w-]*")


@cache
def load_rules() -> tuple[Any, list[list[_Rule]]]:
    """Return the set of all keywords, and the rules of each keyword.

    The first call reads their file, which takes 2 ms.

    Raises:
        OSError, MemoryError: It can't be read now.
    """
    encoded = Path(__file__).with_name("gitleaks.json").read_bytes()
    by_keyword: dict[str, list[_Rule]] = {}
    for rule in (*_OWN_RULES, *msgspec.json.decode(encoded, type=_Vendored).rules):
        for keyword in rule.keywords:
            by_keyword.setdefault(keyword, []).append(rule)
    return keyword_set(by_keyword), list(by_keyword.values())
