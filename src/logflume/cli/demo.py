"""`logflume demo`: a tiny training on this machine's CPU."""

from __future__ import annotations

import runpy
import sys
from typing import Annotated

import typer

__all__ = ["demo"]


def demo(
    context: typer.Context,
    optimized: Annotated[bool, typer.Option(help="Log less: the optimized script.")] = False,
) -> None:
    """Train a tiny Gemma with GRPO on this machine's CPU, with all sinks on.

    Further options go to the script: try `logflume demo --help`.
    """
    name = "optimized_gemma_training" if optimized else "new_gemma_training"
    sys.argv = [f"logflume demo{' --optimized' if optimized else ''}", *context.args]
    runpy.run_module(f"logflume.demo.{name}", run_name="__main__")
