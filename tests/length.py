"""How long the tests run: `make test-long` runs more examples, seeds and rounds."""

from __future__ import annotations

import os

IS_LONG = os.environ.get("LONG") == "1"


def examples(count: int) -> int:
    """Return how many examples Hypothesis tries where `make test` tries `count`."""
    return count * 10 if IS_LONG else count
