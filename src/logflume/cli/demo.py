"""`logflume demo`: trains a tiny model on the CPU."""

from __future__ import annotations

import runpy
import sys
from importlib.util import find_spec
from typing import Annotated

import typer

from logflume.exceptions import MissingExtraError

__all__ = ["demo"]

_NEEDED = ("torch", "trl")
"""Packages of the extra that the scripts need."""


def demo(
    context: typer.Context,
    optimized: Annotated[bool, typer.Option(help="Log less: use the optimized script.")] = False,
) -> None:
    """Train a tiny Gemma model with GRPO on the CPU, with all sinks enabled.

    Further options are passed to the script; see `logflume demo --help`.
    """
    for package in _NEEDED:
        if find_spec(package) is None:
            raise MissingExtraError(package, "trl")
    name = "optimized_gemma_training" if optimized else "new_gemma_training"
    sys.argv = [f"logflume demo{' --optimized' if optimized else ''}", *context.args]
    runpy.run_module(f"logflume.demo.{name}", run_name="__main__")
