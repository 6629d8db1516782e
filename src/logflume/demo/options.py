"""The command line of both scripts, and the setup of the process before torch is imported."""

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
    """The options of the command line.

    Attributes:
        model: Hub id, folder or GGUF file of a model; None builds the tiny one.
        steps: Number of training steps.
        seed: Seed of the problems, the weights, the warm-up and the sampling.
        config: Logging configuration; None uses the default of `initialize()`.
        dir: Folder of the runs; None uses that of the configuration.
        lenient_format: Whether the reward function for the format invites reward hacking.
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
    """Parse the command line.

    Args:
        argv: The arguments; None uses those of the process.
        description: Description in the help text.
        config: Default of `--config`.
    """
    parser = argparse.ArgumentParser(description=description, allow_abbrev=False)
    parser.add_argument(
        "--model", help="a Hub id, a folder or a GGUF file (default: build a tiny Gemma)"
    )
    parser.add_argument(
        "--steps", type=_positive_int, default=40, help="number of training steps (default: 40)"
    )
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: 0)")
    parser.add_argument(
        "--config",
        default=config,
        help=f"a YAML file or the name of a shipped configuration (default: {config or 'default'})",
    )
    parser.add_argument("--dir", type=Path, help="folder of the runs (default: logs)")
    parser.add_argument(
        "--lenient-format",
        action="store_true",
        help="reward every closing answer tag: a reward hack, because the model learns to repeat "
        "the tag, within 40 steps with most seeds (not with 1, 3 and 7)",
    )
    return Options(**vars(parser.parse_args(argv)))


def prepare_process(options: Options) -> None:
    """Set environment variables and warning filters; call before transformers is imported."""
    if options.model is None:
        # Nothing is downloaded, so transformers must not wait for a network.
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
    # The tokenizers library warns about every fork after it has used threads, and `run_started`
    # forks to call git.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    # TRL still sets the old name of an option that newer versions of transformers renamed.
    warnings.filterwarnings("ignore", message=".*gradient_checkpointing", category=FutureWarning)


def _positive_int(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a number of steps, 1 or more, not {text!r}")
    return int(text)
