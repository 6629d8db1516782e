"""The standard training script: trains Gemma with GRPO and logs everything.

    python -m logflume.demo.new_gemma_training

By default it builds a tiny Gemma and trains it for 40 steps on word problems; `--model` loads a
real model.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from logflume.demo.options import parse_options
from logflume.demo.script import run_script

if TYPE_CHECKING:
    from logflume.training import Attachment


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script and return its exit status."""
    return run_script(
        parse_options(argv, description="Train Gemma with GRPO and log everything."), _attach
    )


def _attach(trainer: Any) -> Attachment:
    from logflume.training import attach

    return attach(trainer)


if __name__ == "__main__":
    sys.exit(main())
