"""What can be chosen on the command line of both scripts, and what must hold before torch loads."""

from __future__ import annotations

import argparse
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Options", "parse_options", "prepare_process"]


@dataclass(frozen=True)
class Options:
    """The choices of the command line.

    Attributes:
        model: Hub id, folder or GGUF file of a model; None builds the tiny one.
        steps: Training steps.
        seed: Decides the problems, the weights, the warm-up and the sampling.
        config: Configuration of the logging; None leaves it to `initialize()`.
        dir: Where runs live; None leaves it to the configuration.
        lenient_format: Whether the format is paid by a function that invites a reward hack.
    """

    model: str | None
    steps: int
    seed: int
    config: str | None
    dir: Path | None
    lenient_format: bool = False


def parse_options(
    argv: Sequence[str] | None, *, description: str, config: str | None = None
) -> Options:
    """Read the command line; `config` is what `--config` is when nobody gives it."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--model", help="a hub id, a folder or a GGUF file (default: a tiny Gemma, built here)"
    )
    parser.add_argument("--steps", type=_count, default=40, help="training steps (default: 40)")
    parser.add_argument("--seed", type=int, default=0, help="seed of everything (default: 0)")
    parser.add_argument(
        "--config",
        default=config,
        help=f"a YAML file or the name of a shipped one (default: {config or 'default'})",
    )
    parser.add_argument("--dir", type=Path, help="where runs live (default: logs)")
    parser.add_argument(
        "--lenient-format",
        action="store_true",
        help="pay for each closing answer tag: the model learns to repeat it, a real reward hack",
    )
    return Options(**vars(parser.parse_args(argv)))


def prepare_process(options: Options) -> None:
    """Set what transformers and tokenizers read when they are imported: call it before that."""
    if options.model is None:
        # Nothing is downloaded, so nobody should wait for a network that may not be there.
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
    # The tokenizers library warns about each fork after it used threads; git is one (run_started).
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # Newer transformers renamed the option, but TRL sets the old name itself: not ours to mend.
    warnings.filterwarnings("ignore", message=".*gradient_checkpointing", category=FutureWarning)


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number of steps: give 1 or more")
    return count
