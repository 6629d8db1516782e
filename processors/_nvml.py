"""The GPUs of this process, read through NVML, NVIDIA's management library."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

import pynvml

from ._gpu_readings import Fields, read_gpu
from ._visible_gpus import visible_gpus

__all__ = ["Gpus", "NoGpuError", "Reading"]

_NO_DRIVER = (pynvml.NVMLError_LibraryNotFound, pynvml.NVMLError_DriverNotLoaded)


class NoGpuError(Exception):
    """There is no NVIDIA GPU for this process, and there won't be one."""


class Reading(NamedTuple):
    """One look at all GPUs.

    Attributes:
        fields: `gpu/<i>/…` of every GPU that answered.
        error: Why one or all did not; empty when all did.
    """

    fields: Fields
    error: str


class Gpus:
    """The GPUs that CUDA shows this process, each under CUDA's number for it.

    They are looked up once: when one is lost later, the others keep their numbers. NVML is opened
    by the first reading, and anew by the reading after one that got nothing.

    Args:
        setting: The value of `CUDA_VISIBLE_DEVICES`, None when it is not set.

    Attributes:
        names: Their names, known once they were looked up.
    """

    def __init__(self, setting: str | None) -> None:
        self.names: list[str] = []
        self._setting = setting
        self._uuids: list[str] | None = None
        self._is_open = False

    def read(self) -> Reading:
        """Read every GPU.

        Raises:
            NoGpuError: There is no driver, or no GPU that this process may use.
        """
        try:
            uuids = self._open()
        except pynvml.NVMLError as error:
            self.close()
            if self._uuids is None and isinstance(error, _NO_DRIVER):
                raise NoGpuError("No NVIDIA GPU") from error
            return Reading({}, str(error))
        if not uuids:
            hidden = self._setting is not None
            raise NoGpuError("No GPU in CUDA_VISIBLE_DEVICES" if hidden else "No NVIDIA GPU")
        reading = _read_all(uuids)
        if not reading.fields:
            self.close()
        return reading

    def close(self) -> None:
        """Give NVML back, if it was taken."""
        if self._is_open:
            self._is_open = False
            with suppress(pynvml.NVMLError):  # the driver may be gone already
                pynvml.nvmlShutdown()

    def _open(self) -> list[str]:
        if not self._is_open:
            pynvml.nvmlInit()
            self._is_open = True
        if self._uuids is None:
            self._uuids = visible_gpus(self._setting, _all_uuids())
            self.names = [_name(uuid) for uuid in self._uuids]
        return self._uuids


def _all_uuids() -> list[str]:
    """Return the UUIDs of the GPUs that this process may open, in PCI order."""
    uuids: list[str] = []
    for index in range(pynvml.nvmlDeviceGetCount()):
        # NVML counts also the GPUs that a container or cgroup shuts out; CUDA gives them no number.
        with suppress(pynvml.NVMLError_NoPermission):
            uuids.append(pynvml.nvmlDeviceGetUUID(pynvml.nvmlDeviceGetHandleByIndex(index)))
    return uuids


def _name(uuid: str) -> str:
    try:
        return str(pynvml.nvmlDeviceGetName(pynvml.nvmlDeviceGetHandleByUUID(uuid)))
    except pynvml.NVMLError:
        return uuid


def _read_all(uuids: Sequence[str]) -> Reading:
    fields: Fields = {}
    trouble = ""
    for index, uuid in enumerate(uuids):
        try:
            values = read_gpu(pynvml.nvmlDeviceGetHandleByUUID(uuid))
        except pynvml.NVMLError as error:
            trouble = str(error)
        else:
            fields.update({f"gpu/{index}/{name}": value for name, value in values.items()})
    return Reading(fields, trouble)
