"""The GPUs of this process, read through NVML, NVIDIA's management library."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, TypeAlias

import pynvml

from logflume.resources import watched_process_id

__all__ = ["Gpus", "NoGpuError", "Reading", "visible_gpus"]

Fields: TypeAlias = dict[str, float | str]

_NO_DRIVER = (pynvml.NVMLError_LibraryNotFound, pynvml.NVMLError_DriverNotLoaded)

_UNAVAILABLE = (
    pynvml.NVMLError_NotSupported,
    pynvml.NVMLError_NoPermission,
    pynvml.NVMLError_FunctionNotFound,
    # Returned by a MIG slice for a reading that only the whole GPU has.
    pynvml.NVMLError_InvalidArgument,
)

# The bits of `nvmlClocksEventReasons` in nvml.h, under the names that nvidia-smi uses.
_THROTTLE_REASONS = {
    0x001: "gpu_idle",
    0x002: "applications_clocks_setting",
    0x004: "sw_power_cap",
    0x008: "hw_slowdown",
    0x010: "sync_boost",
    0x020: "sw_thermal_slowdown",
    0x040: "hw_thermal_slowdown",
    0x080: "hw_power_brake_slowdown",
    0x100: "display_clock_setting",
}


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
    """The GPUs that are visible to this process, numbered as in CUDA.

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
            values = _read_gpu(pynvml.nvmlDeviceGetHandleByUUID(uuid))
        except pynvml.NVMLError as error:
            last_error = str(error)
        else:
            fields.update({f"gpu/{index}/{name}": value for name, value in values.items()})
    return Reading(fields, last_error)


def visible_gpus(setting: str | None, uuids: Sequence[str]) -> list[str]:
    """Return the UUIDs of the GPUs that CUDA numbers 0, 1, 2 … under `CUDA_VISIBLE_DEVICES`.

    CUDA's rules: all entries are of the same kind as the first one (indices, UUIDs or prefixes of
    UUIDs, MIG UUIDs); the list ends before the first entry that doesn't identify exactly one GPU;
    a GPU that is listed twice hides all GPUs. Indices are taken in PCI order. CUDA does the same
    with `CUDA_DEVICE_ORDER=PCI_BUS_ID`; without it, CUDA puts the fastest GPU first, which only
    differs on machines with GPUs of different models.

    Args:
        setting: Value of the variable; None if it is not set, which shows all GPUs.
        uuids: UUIDs of the machine's GPUs in PCI order.

    Source: the CUDA programming guide, "CUDA environment variables"; the details follow
    `torch.cuda._parse_visible_devices`.

    >>> visible_gpus("2,0,7,1", ["GPU-a", "GPU-b", "GPU-c"])
    ['GPU-c', 'GPU-a']
    """
    if setting is None:
        return list(uuids)
    find = next((_FINDERS[kind] for kind in _FINDERS if setting.startswith(kind)), _by_index)
    visible: list[str] = []
    for entry in setting.split(","):
        uuid = find(entry.strip(), uuids)
        if uuid is None:
            break
        if uuid in visible:
            return []
        visible.append(uuid)
    return visible


def _by_index(entry: str, uuids: Sequence[str]) -> str | None:
    number = re.match(r"[+-]?\d+", entry)
    index = int(number[0]) if number else -1
    return uuids[index] if 0 <= index < len(uuids) else None


def _by_prefix(entry: str, uuids: Sequence[str]) -> str | None:
    if not entry.startswith("GPU-"):
        return None
    matches = [uuid for uuid in uuids if uuid.startswith(entry)]
    return matches[0] if len(matches) == 1 else None


def _by_mig(entry: str, uuids: Sequence[str]) -> str | None:  # noqa: ARG001 - shared signature
    """Return a MIG UUID as it is: only the driver knows the slices of a GPU."""
    return entry if entry.startswith("MIG-") else None


_FINDERS = {"GPU-": _by_prefix, "MIG-": _by_mig}


def _read_gpu(handle: Any) -> Fields:
    """Return the readings that this GPU, driver and container provide.

    Raises:
        pynvml.NVMLError: The GPU or the driver is gone.
    """
    fields: Fields = {}
    for name, read in _READINGS.items():
        with suppress(*_UNAVAILABLE):
            if (value := read(handle)) is not None:
                fields[name] = value
    return fields


def _process_memory(handle: Any) -> int | None:
    """Read the memory of this process; None if the driver doesn't list the process.

    In a container the driver may know the process by a different pid, so 0 could be wrong.
    """
    pid = watched_process_id()
    used_bytes = [
        process.usedGpuMemory
        for process in pynvml.nvmlDeviceGetComputeRunningProcesses(handle)
        if process.pid == pid and process.usedGpuMemory is not None
    ]
    return sum(used_bytes) if used_bytes else None


def _throttle_reasons(handle: Any) -> str:
    try:
        bits = pynvml.nvmlDeviceGetCurrentClocksEventReasons(handle)
    except pynvml.NVMLError_FunctionNotFound:  # drivers before 535 only have the older name
        bits = pynvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle)
    set_bits = [1 << index for index in range(bits.bit_length()) if bits >> index & 1]
    return ",".join(_THROTTLE_REASONS.get(bit, f"{bit:#x}") for bit in set_bits)


_READINGS: dict[str, Callable[[Any], float | str | None]] = {
    "utilization_percent": lambda gpu: float(pynvml.nvmlDeviceGetUtilizationRates(gpu).gpu),
    "memory_used_bytes": lambda gpu: pynvml.nvmlDeviceGetMemoryInfo(gpu).used,
    "memory_total_bytes": lambda gpu: pynvml.nvmlDeviceGetMemoryInfo(gpu).total,
    "process_memory_bytes": _process_memory,
    "temperature_celsius": lambda gpu: float(
        pynvml.nvmlDeviceGetTemperature(gpu, pynvml.NVML_TEMPERATURE_GPU)
    ),
    "power_watts": lambda gpu: pynvml.nvmlDeviceGetPowerUsage(gpu) / 1000,
    "clock_sm_mhz": lambda gpu: float(pynvml.nvmlDeviceGetClockInfo(gpu, pynvml.NVML_CLOCK_SM)),
    "clock_memory_mhz": lambda gpu: float(
        pynvml.nvmlDeviceGetClockInfo(gpu, pynvml.NVML_CLOCK_MEM)
    ),
    "throttle_reasons": _throttle_reasons,
}
"""The names are those of `logflume.events.catalogue.System`, without the prefix `gpu/<i>/`."""
