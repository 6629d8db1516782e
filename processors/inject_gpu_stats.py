"""Adds GPU statistics to events, from samples taken on a thread of its own."""

from __future__ import annotations

import os
import threading
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import closing
from functools import cache
from typing import Any

from logflume.protocols import EventDict
from logflume.resources import torch_memory

from ._gpus import Gpus, NoGpuError
from ._ticker import Ticker

__all__ = ["InjectGpuStats"]

_FIRST_SAMPLE_TIMEOUT_S = 5.0
"""The longest that `run_started` waits, on the worker, for the names of the GPUs."""


class InjectGpuStats:
    """A processor that copies the latest GPU sample into events of the selected types.

    A thread named `logflume-gpu` takes the first sample immediately, and then one every
    `interval_s`; processing an event never calls the driver. The fields are those of a `system`
    event (`logflume.events.catalogue.System`): `gpu/<i>/utilization_percent`, `gpu/<i>/power_watts`
    …, and, once the process uses CUDA through torch, `torch/<i>/allocated_bytes`, `/reserved_bytes`
    and `/peak_bytes`.

    `<i>` is the number that the process itself uses, counted from 0 in the order of
    `CUDA_VISIBLE_DEVICES`, which is read when the processor is created. Indices in this variable,
    and all GPUs if it is not set, are in PCI order. On a machine with GPUs of different models, set
    `CUDA_DEVICE_ORDER=PCI_BUS_ID`, because CUDA otherwise numbers the fastest GPU first. A MIG
    slice appears as a GPU of its own only if the variable contains its UUID.

    A `run_started` event gets `gpus`, the names of the GPUs. Readings that a GPU doesn't provide
    are left out. Without a GPU or driver, the processor logs one message at level info and passes
    events unchanged. If the driver fails later, the processor logs one warning, retries at every
    sample, and adds no GPU fields until the driver is back.

    Args:
        interval_s: Time between two samples, in seconds.
        events: Types of the events that get the fields. A field that the event already has is kept.

    Raises:
        ValueError: `interval_s` is not above 0.
    """

    detachable = True

    def __init__(
        self, *, interval_s: float = 5.0, events: Sequence[str] = ("training", "system")
    ) -> None:
        self._events = tuple(events)
        self.event_types = frozenset([*events, "run_started"])
        self._interval_s = interval_s
        self._fields: Mapping[str, float | str] = {}
        self._names: list[str] = []
        self._has_sampled = threading.Event()
        gpus = Gpus(os.environ.get("CUDA_VISIBLE_DEVICES"))
        self._ticker = Ticker(self._sample(gpus), interval_s=interval_s, name="gpu")

    def __call__(self, logger: Any, method_name: str, event_dict: EventDict) -> EventDict:  # noqa: ARG002
        """Add the latest sample to events of the selected types, the names to `run_started`."""
        if event_dict.get("event") == "run_started":
            # The first event of a run may arrive before the first sample is complete.
            self._has_sampled.wait(_FIRST_SAMPLE_TIMEOUT_S)
            event_dict.setdefault("gpus", list(self._names))
        if event_dict.get("event") in self._events:
            for name, value in self._fields.items():
                event_dict.setdefault(name, value)
        return event_dict

    def close(self) -> Iterable[EventDict]:
        """Stop sampling. No events are held back."""
        self._ticker.stop()
        return ()

    def _sample(self, gpus: Gpus) -> Generator[None, None, None]:
        is_error_logged = False
        with closing(gpus):
            while True:
                try:
                    reading = gpus.read()
                except NoGpuError as error:
                    _log_once(f"{error}: GPU statistics are disabled")
                    return
                finally:
                    self._names = gpus.names
                    self._has_sampled.set()
                if reading.error and not is_error_logged:
                    is_error_logged = True
                    self._log_error(reading.error)
                self._fields = {**reading.fields, **torch_memory()}
                yield

    def _log_error(self, error: str) -> None:
        from logflume import get_logger

        get_logger("system").warning(
            f"Can't read GPU statistics, retrying every {self._interval_s:g} s: {error}"
        )


@cache
def _log_once(text: str) -> None:
    from logflume import get_logger

    get_logger("system").info(text)
