"""The training script for long runs: trains Gemma with GRPO and logs less.

    python -m logflume.demo.optimized_gemma_training

It differs from the standard script in two things. The configuration `optimized` prints less on the
console and writes larger files. `OptimizedLoggingCallback` logs means over ten steps and the
completions of every tenth batch. In both scripts, events are written in the background.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from logflume.demo.options import parse_options
from logflume.demo.script import run_script


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script and return its exit status."""
    return run_script(
        parse_options(
            argv,
            description="Train Gemma with GRPO and log less, for long runs.",
            config="optimized",
        ),
        _make_callback,
    )


def _make_callback() -> Any:
    from logflume.training.callbacks import OptimizedLoggingCallback

    return OptimizedLoggingCallback()


if __name__ == "__main__":
    sys.exit(main())
