"""Refuses Python's threads as gevent and eventlet patch them."""

from __future__ import annotations

import sys

from logflume.exceptions import RunError

__all__ = ["refuse_green_threads"]

_PATCHED = (
    ("gevent.monkey", "is_module_patched", "threading", "monkey.patch_all(thread=False)"),
    ("eventlet.patcher", "is_monkey_patched", "thread", "eventlet.monkey_patch(thread=False)"),
)


def refuse_green_threads() -> None:
    """Raise an error if threads are coroutines: they only run when the program yields to them.

    The training would log into a buffer that nobody empties until it is full.

    Raises:
        RunError: gevent or eventlet has patched `threading`.
    """
    for module, is_patched, argument, call in _PATCHED:
        patcher = sys.modules.get(module)
        if patcher is not None and getattr(patcher, is_patched)(argument):
            library = module.partition(".")[0]
            raise RunError(
                f"{library} has replaced Python's threads, and logflume needs real ones: "
                f"patch without them ({call})"
            )
