"""Put the state of the GPUs into events, at no cost to the event."""

from __future__ import annotations

import os
import threading
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import closing
from functools import cache
from typing import Any

from logflume.protocols import EventDict
from logflume.resources import torch_memory

from ._nvml import Gpus, NoGpuError
from ._ticker import Ticker

__all__ = ["InjectGpuStats"]

_FIRST_LOOK_S = 5.0
"""The longest that `run_started` waits for the names of the GPUs, on the worker."""


class InjectGpuStats:
    """Copies the last sample of the GPUs into events of some types.

    A thread of its own, `logflume-gpu`, samples at once and then every `interval_s`; the call
    itself asks no driver for anything. The fields are those of a `system` event
    (`logflume.events.System`): `gpu/<i>/utilization_percent`, `gpu/<i>/power_watts` …, and once
    the process uses CUDA through torch `torch/<i>/allocated_bytes`, `/reserved_bytes` and
    `/peak_bytes`.

    `<i>` is the number that the process itself uses, from 0 in the order of
    `CUDA_VISIBLE_DEVICES`, which is read when the processor is made. Indices in it, and all GPUs
    without it, count in PCI order: where a machine has GPUs of different models, set
    `CUDA_DEVICE_ORDER=PCI_BUS_ID`, for else CUDA counts the fastest first. A GPU split by MIG is
    shown as a slice only where the variable has the UUID of the slice.

    A `run_started` event gets `gpus`, their names. What a GPU doesn't tell is left out. Without a
    GPU or driver the processor says so once at info level and passes events on; a driver that
    fails later is reported once and tried again at every sample, and until then there are no GPU
    fields.

    Args:
        interval_s: Time between two samples, in seconds.
        events: Types of the events that get the fields; a field that is there already stays.

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
        self._has_looked = threading.Event()
        gpus = Gpus(os.environ.get("CUDA_VISIBLE_DEVICES"))
        self._ticker = Ticker(self._sample(gpus), interval_s=interval_s, name="logflume-gpu")

    def __call__(self, logger: Any, method_name: str, event_dict: EventDict) -> EventDict:  # noqa: ARG002
        """Add the last sample to an event of the chosen types, the names to `run_started`."""
        if event_dict.get("event") == "run_started":
            # The first event of a run comes while the driver is still being asked.
            self._has_looked.wait(_FIRST_LOOK_S)
            event_dict.setdefault("gpus", list(self._names))
        if event_dict.get("event") in self._events:
            for name, value in self._fields.items():
                event_dict.setdefault(name, value)
        return event_dict

    def close(self) -> Iterable[EventDict]:
        """End the sampling. Nothing was held back."""
        self._ticker.stop()
        return ()

    def _sample(self, gpus: Gpus) -> Generator[None, None, None]:
        is_trouble_told = False
        with closing(gpus):
            while True:
                try:
                    reading = gpus.read()
                except NoGpuError as error:
                    _tell_once(f"{error}: GPU statistics are off")
                    return
                finally:
                    self._names = gpus.names
                    self._has_looked.set()
                if reading.error and not is_trouble_told:
                    is_trouble_told = True
                    self._tell_trouble(reading.error)
                self._fields = {**reading.fields, **torch_memory()}
                yield

    def _tell_trouble(self, error: str) -> None:
        from logflume import get_logger

        get_logger("system").warning(
            f"GPU statistics can't be read, trying again every {self._interval_s:g} s: {error}"
        )


@cache
def _tell_once(text: str) -> None:
    from logflume import get_logger

    get_logger("system").info(text)
