"""Keeps a trainer's own reports off the terminal while the console shows them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from logflume.runtime.lifecycle import current_config, current_run
from logflume.runtime.run_lines import shows_training

__all__ = ["QuietReports"]

_PRINTERS = ("PrinterCallback", "ProgressCallback", "NotebookProgressCallback")
"""Callbacks of transformers that print each report: as a dict, or as a row of a table."""


class QuietReports:
    """Silences the callbacks of a trainer that print its reports; progress bars stay.

    They are silent on rank 0 as long as a run is open whose console shows `training` events;
    otherwise they print as before. Other ranks print nothing anyway.

    Args:
        trainer: A `transformers` Trainer.
    """

    def __init__(self, trainer: Any) -> None:
        self._callbacks = trainer.callback_handler.callbacks
        self._silenced: list[Any] = []

    def install(self) -> None:
        """Silence the callbacks that the trainer has now."""
        for callback in self._callbacks:
            names = {kind.__name__ for kind in type(callback).__mro__}
            if names.isdisjoint(_PRINTERS) or "on_log" in vars(callback):
                continue
            is_table = "NotebookProgressCallback" in names
            callback.on_log = _silent(callback.on_log, _do_nothing)
            if is_table:
                callback.on_evaluate = _silent(callback.on_evaluate, _end_evaluation(callback))
            self._silenced.append(callback)

    def remove(self) -> None:
        """Let the callbacks print again."""
        for callback in self._silenced:
            for name in ("on_log", "on_evaluate"):
                vars(callback).pop(name, None)
        self._silenced = []


def _silent(call: Callable[..., Any], instead: Callable[[], None]) -> Callable[..., Any]:
    """Return a method that does something else while the console shows what it would print."""

    def report(*args: Any, **kwargs: Any) -> Any:
        run = current_run()
        if run is None or not shows_training(current_config(), run):
            return call(*args, **kwargs)
        instead()
        return None

    return report


def _do_nothing() -> None:
    pass


def _end_evaluation(callback: Any) -> Callable[[], None]:
    """Return what a notebook's table does after an evaluation, apart from a new row."""

    def end() -> None:
        if callback.training_tracker is not None:
            callback.training_tracker.remove_child()
            callback._force_next_update = True
        callback.prediction_bar = None

    return end
