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
    """No NVIDIA GPU is available to this process, and retrying is pointless."""


class Reading(NamedTuple):
    """One sample of all GPUs.

    Attributes:
        fields: `gpu/<i>/…` of every GPU that could be read.
        error: The last error; empty if all GPUs could be read.
    """

    fields: Fields
    error: str


class Gpus:
    """The GPUs that are visible to this process, numbered as CUDA numbers them.

    The GPUs are looked up once: if one is lost later, the others keep their numbers. NVML is
    initialized by the first reading, and again after a reading that returned nothing.

    Args:
        setting: Value of `CUDA_VISIBLE_DEVICES`; None if it is not set.

    Attributes:
        names: Names of the GPUs; empty until they are looked up.
    """

    def __init__(self, setting: str | None) -> None:
        self.names: list[str] = []
        self._setting = setting
        self._uuids: list[str] | None = None
        self._is_open = False

    def read(self) -> Reading:
        """Read all GPUs.

        Raises:
            NoGpuError: There is no driver, or no GPU that this process may use.
        """
        try:
            uuids = self._open()
        except pynvml.NVMLError as error:
            self.close()
            if self._uuids is None and isinstance(error, _NO_DRIVER):
                raise NoGpuError("No NVIDIA GPU found") from error
            return Reading({}, str(error))
        if not uuids:
            hidden = self._setting is not None
            raise NoGpuError(
                "CUDA_VISIBLE_DEVICES selects no GPU" if hidden else "No NVIDIA GPU found"
            )
        reading = _read_all(uuids)
        if not reading.fields:
            self.close()
        return reading

    def close(self) -> None:
        """Shut NVML down if it is initialized."""
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
        # NVML also counts GPUs that a container or cgroup excludes; CUDA doesn't number those.
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
    last_error = ""
    for index, uuid in enumerate(uuids):
        try:
            values = read_gpu(pynvml.nvmlDeviceGetHandleByUUID(uuid))
        except pynvml.NVMLError as error:
            last_error = str(error)
        else:
            fields.update({f"gpu/{index}/{name}": value for name, value in values.items()})
    return Reading(fields, last_error)
