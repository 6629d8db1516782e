"""How often secrets are missed, and harmless texts altered.

python -m tests.redaction.rates 20000
"""

from __future__ import annotations

import sys

from logflume.redaction.texts import redact_text
from tests.redaction.samples import HARMLESS_FORMS, SECRET_FORMS, draw_harmless, draw_secrets

__all__ = ["altered", "missed"]


def missed(kind: str, count: int) -> list[str]:
    """Return those of `count` secrets of a kind that are not replaced."""
    return [secret for text, secret in draw_secrets(kind, count) if secret in redact_text(text)]


def altered(kind: str, count: int) -> list[str]:
    """Return those of `count` harmless texts of a kind that are not unchanged."""
    return [text for text in draw_harmless(kind, count) if redact_text(text) != text]


def main() -> None:
    """Print the rates that are not zero."""
    count = int(sys.argv[1])
    for title, kinds, wrong in (
        ("secrets missed", SECRET_FORMS, missed),
        ("harmless texts altered", HARMLESS_FORMS, altered),
    ):
        rates = {kind: len(wrong(kind, count)) / count for kind in kinds}
        found = {kind: rate for kind, rate in rates.items() if rate}
        lines = [f"{title}, of {count} each; none of {len(rates) - len(found)} other kinds"]
        lines += [f"  {kind}: {rate:.3%}" for kind, rate in found.items()]
        sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
