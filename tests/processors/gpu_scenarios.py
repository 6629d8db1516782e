"""What the GPU tests do in a process of their own, where `libnvidia-ml.so.1` is the stub.

Run as `gpu_scenarios.py NAME ARGUMENTS`; prints what the function of that name returns, as JSON.
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

NEVER_S = 3600.0
OFTEN_S = 0.005
NO_PERMISSION, DRIVER_NOT_LOADED, GPU_IS_LOST, UNKNOWN = 4, 9, 15, 999
NOTES: list[list[str]] = []


def record_notes(logger: str) -> SimpleNamespace:
    return SimpleNamespace(
        info=lambda text: NOTES.append([logger, "info", text]),
        warning=lambda text: NOTES.append([logger, "warning", text]),
    )


vars(logflume)["get_logger"] = record_notes


def stub(name: str) -> ctypes.c_int:
    return ctypes.c_int.in_dll(ctypes.CDLL("libnvidia-ml.so.1"), name)


def stub_gpu_errors() -> Any:
    return (ctypes.c_int * 4).in_dll(ctypes.CDLL("libnvidia-ml.so.1"), "stub_gpu_error")


def until(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 60
    while not condition():
        if time.monotonic() > deadline_s:
            raise TimeoutError
        time.sleep(0.001)


def until_tried_again() -> None:
    before = stub("stub_calls").value
    until(lambda: stub("stub_calls").value > before + 1)


def is_sampling() -> bool:
    return any(thread.name == "logflume-gpu" for thread in threading.enumerate())


def pass_event(processor: InjectGpuStats, **fields: Any) -> dict[str, Any]:
    return dict(processor(None, "info", {"event": "training", **fields}))


def has_power(processor: InjectGpuStats, gpu: int) -> bool:
    return f"gpu/{gpu}/power_watts" in pass_event(processor)


def first_event(processor: InjectGpuStats, **fields: Any) -> dict[str, Any]:
    """Return an event with the first sample, or as it was if the sampling ended without one."""
    until(lambda: has_sample(processor) or not is_sampling())
    return pass_event(processor, **fields)


def has_sample(processor: InjectGpuStats) -> bool:
    return len(pass_event(processor)) > 1


def sample(fields: dict[str, Any]) -> dict[str, Any]:
    with closing(InjectGpuStats(interval_s=NEVER_S)) as processor:
        return first_event(processor, **fields)


def types_with_fields() -> list[Any]:
    types: list[Any] = ["training", "system", "reward", ["not", "hashable"]]
    with closing(InjectGpuStats(interval_s=NEVER_S, events=["reward"])) as processor:
        until(lambda: len(processor(None, "info", {"event": "reward"})) > 1)
        return [[kind, len(processor(None, "info", {"event": kind})) > 1] for kind in types]


def numbering(setting: str | None) -> list[int]:
    """Return the total memory of GPU 0, 1 …"""
    if setting is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = setting
    event = sample({})
    totals = [event.get(f"gpu/{index}/memory_total_bytes") for index in range(4)]
    return [total for total in totals if total is not None]


def numberings(settings: list[str | None]) -> list[list[int]]:
    return [numbering(setting) for setting in settings]


def numbering_without_permission_for_the_first() -> list[int]:
    stub_gpu_errors()[0] = NO_PERMISSION
    return numbering("0,1")


def setting_changed_later() -> dict[str, Any]:
    os.environ["CUDA_VISIBLE_DEVICES"] = "1"
    stub("stub_error").value = UNKNOWN
    with closing(InjectGpuStats(interval_s=OFTEN_S)) as processor:
        os.environ["CUDA_VISIBLE_DEVICES"] = "2"
        stub("stub_error").value = 0
        return first_event(processor)


def calls_for_events(count: int) -> int:
    with closing(InjectGpuStats(interval_s=NEVER_S)) as processor:
        first_event(processor)
        before = stub("stub_calls").value
        for _ in range(count):
            pass_event(processor)
        return stub("stub_calls").value - before


def closed() -> dict[str, Any]:
    processor = InjectGpuStats(interval_s=NEVER_S)
    first_event(processor)
    return {
        "opened": stub("stub_opened").value,
        "held back": list(processor.close()),
        "opened after": stub("stub_opened").value,
        "sampling after": is_sampling(),
    }


def one_gpu_lost_for_a_while() -> dict[str, Any]:
    with closing(InjectGpuStats(interval_s=OFTEN_S)) as processor:
        until(lambda: has_power(processor, 0))
        stub_gpu_errors()[0] = GPU_IS_LOST
        until(lambda: not has_power(processor, 0))
        watts = pass_event(processor)["gpu/1/power_watts"]
        stub_gpu_errors()[0] = 0
        until(lambda: has_power(processor, 0))
    return {"watts of the other": watts, "notes": NOTES}


def driver_gone_twice(error: int) -> dict[str, Any]:
    with closing(InjectGpuStats(interval_s=OFTEN_S)) as processor:
        until(lambda: has_sample(processor))
        for _ in range(2):
            stub("stub_error").value = error
            until(lambda: not has_sample(processor))
            until_tried_again()
            stub("stub_opened").value = 0  # a new driver knows nothing of who used the old one
            stub("stub_error").value = 0
            until(lambda: has_sample(processor))
    return {"opened after": stub("stub_opened").value, "notes": NOTES}


def trouble_at_the_start(error: int) -> list[list[str]]:
    stub("stub_error").value = error
    with closing(InjectGpuStats(interval_s=OFTEN_S)) as processor:
        until(lambda: bool(NOTES))
        stub("stub_error").value = 0
        until(lambda: has_sample(processor))
    return NOTES


def driver_restarted_while_gpus_are_looked_up() -> list[list[str]]:
    stub_gpu_errors()[0] = UNKNOWN
    with closing(InjectGpuStats(interval_s=OFTEN_S)) as processor:
        until(lambda: bool(NOTES))
        stub("stub_error").value = UNKNOWN
        until_tried_again()
        stub("stub_opened").value = 0
        stub_gpu_errors()[0] = 0
        stub("stub_error").value = 0
        until(lambda: has_sample(processor))
    return NOTES


def nothing_to_sample() -> list[Any]:
    events = [sample({"loss": 0.5}) for _ in range(2)]
    return [events, NOTES]


def no_driver() -> list[list[str]]:
    stub("stub_error").value = DRIVER_NOT_LOADED
    sample({})
    return NOTES


def names_at_the_start(setting: str | None) -> Any:
    if setting is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = setting
    with closing(InjectGpuStats(interval_s=NEVER_S)) as processor:
        return processor(None, "info", {"event": "run_started"})["gpus"]


def no_gpu() -> list[list[str]]:
    stub("stub_gpus").value = 0
    sample({})
    return NOTES


def all_hidden() -> list[list[str]]:
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    sample({})
    return NOTES


def with_torch() -> dict[str, Any]:
    """Put something in the place of torch on CUDA, which needs the hardware."""
    cuda: Any = SimpleNamespace(
        is_initialized=lambda: True,
        device_count=lambda: 1,
        memory_stats=lambda index: {"allocated_bytes.all.current": 5},
    )
    sys.modules["torch.cuda"] = cuda
    return sample({})


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]](*json.loads(sys.argv[2]))))
