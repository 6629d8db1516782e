"""The training script for long runs: trains Gemma with GRPO and logs less.

    python -m logflume.demo.optimized_gemma_training

It differs from the standard script in two things. The configuration `optimized` prints less on the
console and writes larger files. `OptimizedLoggingCallback` logs means over ten steps, the policy
`every(10)` the completions of every tenth batch. In both scripts, events are written in the
background.
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
        parse_options(
            argv,
            description="Train Gemma with GRPO and log less, for long runs.",
            config="optimized",
        ),
        _attach,
    )


def _attach(trainer: Any) -> Attachment:
    from logflume.training import attach
    from logflume.training.callbacks import OptimizedLoggingCallback
    from logflume.training.policies import every

    trainer.add_callback(OptimizedLoggingCallback())
    return attach(trainer, rollouts=every(10))


if __name__ == "__main__":
    sys.exit(main())
