"""The scenarios of the GPU tests, run in a process in which `libnvidia-ml.so.1` is the stub.

Run as `gpu_scenarios.py NAME ARGUMENTS`; prints the result of the function with that name as JSON.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from types import SimpleNamespace
from typing import Any

import logflume
from logflume.processors.inject_gpu_stats import InjectGpuStats

LONG_INTERVAL_S = 3600.0
SHORT_INTERVAL_S = 0.005
NO_PERMISSION, DRIVER_NOT_LOADED, GPU_IS_LOST, UNKNOWN = 4, 9, 15, 999
MESSAGES: list[list[str]] = []


def recording_logger(logger: str) -> SimpleNamespace:
    """Return a logger that appends its messages to `MESSAGES`."""
    return SimpleNamespace(
        info=lambda text: MESSAGES.append([logger, "info", text]),
        warning=lambda text: MESSAGES.append([logger, "warning", text]),
    )


vars(logflume)["get_logger"] = recording_logger


def stub(name: str) -> ctypes.c_int:
    """Return a variable of the stub, which controls its behaviour or counts its calls."""
    return ctypes.c_int.in_dll(ctypes.CDLL("libnvidia-ml.so.1"), name)


def stub_gpu_errors() -> Any:
    """Return the error codes that the stub returns for each GPU."""
    return (ctypes.c_int * 4).in_dll(ctypes.CDLL("libnvidia-ml.so.1"), "stub_gpu_error")


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds, for at most a minute."""
    deadline_s = time.monotonic() + 60
    while not condition():
        if time.monotonic() > deadline_s:
            raise TimeoutError
        time.sleep(0.001)


def wait_for_retry() -> None:
    """Wait until the library has been called at least twice more."""
    before = stub("stub_calls").value
    wait_until(lambda: stub("stub_calls").value > before + 1)


def is_sampling() -> bool:
    """Whether a sampling thread is running."""
    return any(thread.name == "logflume-gpu" for thread in threading.enumerate())


def pass_event(processor: InjectGpuStats, **fields: Any) -> dict[str, Any]:
    """Process a `training` event and return it."""
    return dict(processor(None, "info", {"event": "training", **fields}))


def has_power(processor: InjectGpuStats, gpu: int) -> bool:
    """Whether the latest sample has the power of a GPU."""
    return f"gpu/{gpu}/power_watts" in pass_event(processor)


def first_event(processor: InjectGpuStats, **fields: Any) -> dict[str, Any]:
    """Process an event after the first sample, or after the sampling has ended without one."""
    wait_until(lambda: has_sample(processor) or not is_sampling())
    return pass_event(processor, **fields)


def has_sample(processor: InjectGpuStats) -> bool:
    """Whether there is a sample."""
    return len(pass_event(processor)) > 1


def sample(fields: dict[str, Any]) -> dict[str, Any]:
    """Process an event with these fields after the first sample."""
    with closing(InjectGpuStats(interval_s=LONG_INTERVAL_S)) as processor:
        return first_event(processor, **fields)


def types_with_fields() -> list[Any]:
    """Return whether events of several types get the fields."""
    types: list[Any] = ["training", "system", "reward", ["not", "hashable"]]
    with closing(InjectGpuStats(interval_s=LONG_INTERVAL_S, events=["reward"])) as processor:
        wait_until(lambda: len(processor(None, "info", {"event": "reward"})) > 1)
        return [[kind, len(processor(None, "info", {"event": kind})) > 1] for kind in types]


def numbering(setting: str | None) -> list[int]:
    """Return the total memory of GPU 0, 1 … for a value of `CUDA_VISIBLE_DEVICES`."""
    if setting is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = setting
    event = sample({})
    totals = [event.get(f"gpu/{index}/memory_total_bytes") for index in range(4)]
    return [total for total in totals if total is not None]


def numberings(settings: list[str | None]) -> list[list[int]]:
    """Return the numbering for each of several settings."""
    return [numbering(setting) for setting in settings]


def numbering_without_permission_for_the_first() -> list[int]:
    """Return the numbering if the first GPU of the machine may not be opened."""
    stub_gpu_errors()[0] = NO_PERMISSION
    return numbering("0,1")


def setting_changed_later() -> dict[str, Any]:
    """Change `CUDA_VISIBLE_DEVICES` after the processor is created, and return an event."""
    os.environ["CUDA_VISIBLE_DEVICES"] = "1"
    stub("stub_error").value = UNKNOWN
    with closing(InjectGpuStats(interval_s=SHORT_INTERVAL_S)) as processor:
        os.environ["CUDA_VISIBLE_DEVICES"] = "2"
        stub("stub_error").value = 0
        return first_event(processor)


def calls_for_events(count: int) -> int:
    """Return the number of library calls while events are processed."""
    with closing(InjectGpuStats(interval_s=LONG_INTERVAL_S)) as processor:
        first_event(processor)
        before = stub("stub_calls").value
        for _ in range(count):
            pass_event(processor)
        return stub("stub_calls").value - before


def closed() -> dict[str, Any]:
    """Close a processor, and return the state before and after."""
    processor = InjectGpuStats(interval_s=LONG_INTERVAL_S)
    first_event(processor)
    return {
        "opened": stub("stub_opened").value,
        "held back": list(processor.close()),
        "opened after": stub("stub_opened").value,
        "sampling after": is_sampling(),
    }


def one_gpu_lost_for_a_while() -> dict[str, Any]:
    """Lose the first of the GPUs and get it back."""
    with closing(InjectGpuStats(interval_s=SHORT_INTERVAL_S)) as processor:
        wait_until(lambda: has_power(processor, 0))
        stub_gpu_errors()[0] = GPU_IS_LOST
        wait_until(lambda: not has_power(processor, 0))
        watts = pass_event(processor)["gpu/1/power_watts"]
        stub_gpu_errors()[0] = 0
        wait_until(lambda: has_power(processor, 0))
    return {"watts of the other": watts, "messages": MESSAGES}


def driver_gone_twice(error: int) -> dict[str, Any]:
    """Lose the driver twice, and get a restarted one back each time."""
    with closing(InjectGpuStats(interval_s=SHORT_INTERVAL_S)) as processor:
        wait_until(lambda: has_sample(processor))
        for _ in range(2):
            stub("stub_error").value = error
            wait_until(lambda: not has_sample(processor))
            wait_for_retry()
            stub("stub_opened").value = 0  # a restarted driver has no record of its former users
            stub("stub_error").value = 0
            wait_until(lambda: has_sample(processor))
    return {"opened after": stub("stub_opened").value, "messages": MESSAGES}


def error_at_the_start(error: int) -> list[list[str]]:
    """Start while the driver fails, and let it recover."""
    stub("stub_error").value = error
    with closing(InjectGpuStats(interval_s=SHORT_INTERVAL_S)) as processor:
        wait_until(lambda: bool(MESSAGES))
        stub("stub_error").value = 0
        wait_until(lambda: has_sample(processor))
    return MESSAGES


def driver_restarted_during_lookup() -> list[list[str]]:
    """Restart the driver after NVML is initialized, but before the GPUs are listed."""
    stub_gpu_errors()[0] = UNKNOWN
    with closing(InjectGpuStats(interval_s=SHORT_INTERVAL_S)) as processor:
        wait_until(lambda: bool(MESSAGES))
        stub("stub_error").value = UNKNOWN
        wait_for_retry()
        stub("stub_opened").value = 0
        stub_gpu_errors()[0] = 0
        stub("stub_error").value = 0
        wait_until(lambda: has_sample(processor))
    return MESSAGES


def nothing_to_sample() -> list[Any]:
    """Process an event with each of two processors that find no GPU."""
    events = [sample({"loss": 0.5}) for _ in range(2)]
    return [events, MESSAGES]


def no_driver() -> list[list[str]]:
    """Sample without a driver."""
    stub("stub_error").value = DRIVER_NOT_LOADED
    sample({})
    return MESSAGES


def names_at_the_start(setting: str | None) -> Any:
    """Return the GPU names in a `run_started` event that is processed at once."""
    if setting is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = setting
    with closing(InjectGpuStats(interval_s=LONG_INTERVAL_S)) as processor:
        return processor(None, "info", {"event": "run_started"})["gpus"]


def no_gpu() -> list[list[str]]:
    """Sample on a machine without a GPU."""
    stub("stub_gpus").value = 0
    sample({})
    return MESSAGES


def all_hidden() -> list[list[str]]:
    """Sample while `CUDA_VISIBLE_DEVICES` hides all GPUs."""
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    sample({})
    return MESSAGES


def with_torch() -> dict[str, Any]:
    """Sample with a stand-in for torch on CUDA, which would require the hardware."""
    cuda: Any = SimpleNamespace(
        is_initialized=lambda: True,
        device_count=lambda: 1,
        memory_stats=lambda index: {"allocated_bytes.all.current": 5},
    )
    sys.modules["torch.cuda"] = cuda
    return sample({})


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]](*json.loads(sys.argv[2]))))
