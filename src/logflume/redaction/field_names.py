"""Which names of fields, options and variables belong to secrets.

The names come from the deny lists of detect-secrets (its keyword detector) and of Sentry's SDK (its
event scrubber), with more that are common in machine learning.
"""

from __future__ import annotations

import re
import unicodedata
from enum import IntEnum
from functools import lru_cache

__all__ = ["FOREIGN_PASSWORDS", "Secrecy", "is_folder_or_number", "secrecy"]


class Secrecy(IntEnum):
    """Whether a name belongs to a secret."""

    NONE = 0
    LIKELY = 1
    """If its text looks random. `token` is also what a tokenizer's output is called."""
    CERTAIN = 2


_OWNERS = (
    r"access|admin|api|app|auth|aws|azure|bearer|bitbucket|bot|buildkite|cf|circleci|cloudflare"
    r"|clearml|client|cohere|comet|csrf|databricks|deploy|discord|docker|dockerhub|gh|git|github"
    r"|gitlab|google|groq|hf|hub|hugging_?face|jwt|kaggle|kube|login|mistral|mlflow|modelscope"
    r"|neptune|npm|nvidia|oauth2?|openai|anthropic|gemini|personal|private|pypi|refresh|registry"
    r"|replicate|secret|security|service|session|slack|sso|swanlab|telegram|together|vault|wandb"
    r"|webhook|xsrf"
)

FOREIGN_PASSWORDS = (
    r"contrase(?:n|ñ)a|pa(?:ss|ß)wort|kennwort|mot[ _]de[ _]passe|senha|wachtwoord|l(?:o|ö)senord"
    r"|parola[ _]d.ordine|has(?:l|ł)o|heslo|jelsz(?:o|ó)|salasana|adgangskode|passord|kata[ _]sandi"
    r"|пароль|密码|密碼|パスワード|비밀번호"
)
"""What a password is called in other languages."""

_CERTAIN = re.compile(
    rf"""
    passw(?:or)?ds?$
    | (?:^|_)
    (?: pass_?phrases? | passcode | pwd | pw | code_verifier | {FOREIGN_PASSWORDS.replace(" ", "")}
      | secrets? | credentials? | creds | (?:proxy_)?authorization | auth
      | dsn | jwt | (?:set_)?cookies? | sessionid | csrf_?token | connection_string | webhook_url
      | (?:api|app|application|access|account|admin|auth|client|database|db|encryption|license
         |master|priv|private|secret|service|signing|ssh|storage)_?keys?
      | (?:aws|openai|anthropic|cohere|gemini|hf|wandb|mistral|groq|nvidia)_key
      | secret_key_base | client_key_data
      | (?:admin|auth|become|bind|database|db|email|ftp|http|imap|kafka|key|keystore|ldap|login|mail
         |mongo|mysql|pg|postgres|proxy|rabbitmq|redis|root|sasl|smtp|ssh|sudo|user|vpn|wifi)_?pass
      | (?:{_OWNERS})_?tokens?
      | (?:github|gh|gitlab|gl|azure|ado|devops|bitbucket|docker|dockerhub|personal|git)_pat
    )$
    """,
    re.VERBOSE,
)
_USES = (
    r"user|team|project|write|read|server|sdk|ingest|integration|subscription|functions?|webhook"
    r"|routing|hmac|salt|fernet|cipher|cookie"
)
_LIKELY = re.compile(rf"^pass$|(?:^|_)(?:token|pat|bearer|(?:{_OWNERS}|{_USES})_key)$")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_SEPARATOR = re.compile(r"[\W_]+")
_NUMBER = re.compile(r"[\d.eE+-]{1,24}")
_ESCAPED = re.compile(r"\\+u([0-9a-fA-F]{4})")
_LONGEST = 100
"""Number of characters at the end of a name that are checked."""


@lru_cache(maxsize=4096)
def secrecy(name: str) -> Secrecy:
    """Return whether a name belongs to a secret.

    >>> [secrecy(name).name for name in ("hf_token", "next_token", "num_tokens", "dbPassword")]
    ['CERTAIN', 'LIKELY', 'NONE', 'CERTAIN']
    """
    # JSON in a text may have `ñ` as `\\u00f1`; systems of files and keyboards have it in two parts.
    unescaped = _ESCAPED.sub(lambda match: chr(int(match[1], 16)), name[-_LONGEST:])
    plain = unicodedata.normalize("NFKC", unescaped)
    words = _SEPARATOR.sub("_", _HUMP.sub("_", plain)).lower()
    if _CERTAIN.search(words):
        return Secrecy.CERTAIN
    return Secrecy.LIKELY if _LIKELY.search(words) else Secrecy.NONE


def is_folder_or_number(name: str, value: str) -> bool:
    """Whether `pwd` is the working folder, as in the shell, or `pw` a weight: not a password."""
    is_folder = name.lower().endswith("pwd") and value.startswith(("/", "~"))
    return is_folder or (name.lower().endswith("pw") and _NUMBER.fullmatch(value) is not None)
