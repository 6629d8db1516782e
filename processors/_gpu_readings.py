"""Reading one GPU through NVML, in the names and units of a `system` event."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, TypeAlias

import pynvml

from logflume.resources import watched_process_id

__all__ = ["Fields", "read_gpu"]

Fields: TypeAlias = dict[str, float | str]

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


def read_gpu(handle: Any) -> Fields:
    """Return the readings of a GPU that this GPU, driver and container provide.

    The names are those of `logflume.events.catalogue.System`, without the prefix `gpu/<i>/`.

    Raises:
        pynvml.NVMLError: The GPU or the driver is gone.
    """
    fields: Fields = {}
    for read in _READINGS:
        with suppress(*_UNAVAILABLE):
            fields.update(read(handle))
    return fields


def _utilization(handle: Any) -> Fields:
    return {"utilization_percent": float(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu)}


def _memory(handle: Any) -> Fields:
    memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    return {"memory_used_bytes": memory.used, "memory_total_bytes": memory.total}


def _process_memory(handle: Any) -> Fields:
    """Read the memory of this process; left out if the driver doesn't list the process.

    In a container the driver may know the process by a different pid, so 0 could be wrong.
    """
    pid = watched_process_id()
    used_bytes = [
        process.usedGpuMemory
        for process in pynvml.nvmlDeviceGetComputeRunningProcesses(handle)
        if process.pid == pid and process.usedGpuMemory is not None
    ]
    return {"process_memory_bytes": sum(used_bytes)} if used_bytes else {}


def _temperature(handle: Any) -> Fields:
    celsius = pynvml.nvmlDeviceGetTemperature(handle, pynvml.NVML_TEMPERATURE_GPU)
    return {"temperature_celsius": float(celsius)}


def _power(handle: Any) -> Fields:
    return {"power_watts": pynvml.nvmlDeviceGetPowerUsage(handle) / 1000}


def _sm_clock(handle: Any) -> Fields:
    return {"clock_sm_mhz": float(pynvml.nvmlDeviceGetClockInfo(handle, pynvml.NVML_CLOCK_SM))}


def _memory_clock(handle: Any) -> Fields:
    mhz = pynvml.nvmlDeviceGetClockInfo(handle, pynvml.NVML_CLOCK_MEM)
    return {"clock_memory_mhz": float(mhz)}


def _throttle_reasons(handle: Any) -> Fields:
    try:
        bits = pynvml.nvmlDeviceGetCurrentClocksEventReasons(handle)
    except pynvml.NVMLError_FunctionNotFound:  # drivers before 535 only have the older name
        bits = pynvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle)
    set_bits = [1 << index for index in range(bits.bit_length()) if bits >> index & 1]
    names = [_THROTTLE_REASONS.get(bit, f"{bit:#x}") for bit in set_bits]
    return {"throttle_reasons": ",".join(names)}


_READINGS = (
    _utilization,
    _memory,
    _process_memory,
    _temperature,
    _power,
    _sm_clock,
    _memory_clock,
    _throttle_reasons,
)
