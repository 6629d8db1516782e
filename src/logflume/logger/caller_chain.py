"""The processors that run in the thread that logs, as one processor of structlog."""

from __future__ import annotations

from typing import Any

import structlog

from logflume.pipeline.processor_chain import ProcessorChain
from logflume.protocols import Processor

__all__ = ["caller_processor"]


def caller_processor(chain: ProcessorChain) -> Processor:
    """Return a processor that runs a chain, whose processors are guarded each.

    It raises `structlog.DropEvent` if one of them does.
    """

    def run(logger: Any, method_name: str, event_dict: dict[str, Any]) -> dict[str, Any]:
        processed = chain.run(event_dict, logger, method_name)
        if processed is None:
            raise structlog.DropEvent
        return processed

    return run
