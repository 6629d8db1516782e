"""Converts the rules of gitleaks to `gitleaks.json`.

    git clone https://github.com/gitleaks/gitleaks && git -C gitleaks rev-parse HEAD
    python -m logflume.redaction.vendor gitleaks/config/gitleaks.toml COMMIT

gitleaks searches source code, and this package searches logs, so some parts differ:

- A secret may be followed by any character that can't belong to it, such as a comma.
- The optional text before the name of a service is omitted, because the secret is the same without
  it.
- Rules for files, and for public values such as client ids, are omitted. So are the rules for
  passwords and other assignments in general, for which `texts.py` has rules that fit logs.
- A value that is recognized only by the name of the service in front of it must look random.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import Any

import orjson

_END = r"""(?:[\x60'"\s;]|\\[nr]|$)"""
_END_IN_LOGS = r"(?:[^\w+/=-]|$)"
_START = r"[\w.-]{0,50}?"
_ASSIGNMENT = r"(?:=|>|:{1,3}=|\|\||:|=>|\?=|,)"
_OMITTED = {"generic-api-key", "private-key", "jwt", "flutterwave-public-key"}
_PUBLIC = ("-client-id", "-access-id", "-api-id")


def main() -> None:
    """Write `gitleaks.json` next to this module."""
    path, commit = sys.argv[1:]
    rules = tomllib.loads(Path(path).read_text())["rules"]
    vendored = {
        "source": "https://github.com/gitleaks/gitleaks/blob/master/config/gitleaks.toml",
        "commit": commit,
        "license": "MIT",
        "rules": [_convert(rule) for rule in rules if _is_used(rule)],
    }
    target = Path(__file__).with_name("gitleaks.json")
    target.write_bytes(orjson.dumps(vendored, option=orjson.OPT_INDENT_2) + b"\n")


def _is_used(rule: dict[str, Any]) -> bool:
    name = rule["id"]
    return "path" not in rule and name not in _OMITTED and not name.endswith(_PUBLIC)


def _convert(rule: dict[str, Any]) -> dict[str, Any]:
    pattern = rule["regex"]
    allowed = [regex for one in rule.get("allowlists", ()) for regex in one.get("regexes", ())]
    return {
        "name": rule["id"],
        "pattern": pattern.replace(_START, "").replace(_END, _END_IN_LOGS),
        "keywords": rule["keywords"],
        "group": rule.get("secretGroup", 0),
        "entropy": rule.get("entropy", 0),
        "is_assigned": _ASSIGNMENT in pattern,
        "allowed": allowed,
    }


if __name__ == "__main__":
    main()
