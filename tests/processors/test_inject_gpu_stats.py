"""`inject_gpu_stats`: pynvml reads a stub of the driver's library, each time in a new process."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logflume.processors._gpus import visible_gpus
from logflume.processors.inject_gpu_stats import InjectGpuStats

if TYPE_CHECKING:
    from tests.processors.conftest import RunScenario

# The memory of the stub's GPUs and of its MIG slice, which identifies them.
A, B, C, SLICE = 8000, 16000, 24000, 4000
UUID_A = "GPU-a1000000-0000-0000-0000-000000000000"
UUID_SLICE = "MIG-c4000000-0000-0000-0000-000000000000"

NO_GPU_MESSAGE = ["system", "info", "No NVIDIA GPU found: GPU statistics are disabled"]

NUMBERINGS: dict[str | None, list[int]] = {
    None: [A, B, C],
    "1": [B],
    "2,0": [C, A],
    " 2 , 1 ": [C, B],
    "": [],
    "-1": [],
    "0,-1,2": [A],
    "1,3,0": [B],
    "1,1": [],
    "none": [],
    f"GPU-b3,{UUID_A}": [C, A],
    "GPU-b3,GPU-a": [C],
    "GPU-b3,1": [C],
    f"{UUID_A},GPU-a1": [],
    UUID_SLICE: [SLICE],
}


@pytest.fixture(scope="module")
def event(run_scenario: RunScenario) -> dict[str, Any]:
    """An event with two fields of its own, processed after the first sample."""
    sampled: dict[str, Any] = run_scenario("sample", {"loss": 0.5, "gpu/1/power_watts": 7.0})
    return sampled


def test_units_and_names(event: dict[str, Any]) -> None:
    """Every reading has its declared name and unit; milliwatts are converted to watts."""
    assert {
        "event": "training",
        "loss": 0.5,
        "gpu/0/utilization_percent": 10.0,
        "gpu/0/memory_used_bytes": 1000,
        "gpu/0/memory_total_bytes": 8000,
        "gpu/0/process_memory_bytes": 300,
        "gpu/0/temperature_celsius": 40.0,
        "gpu/0/power_watts": 100.5,
        "gpu/0/clock_sm_mhz": 1410.0,
        "gpu/0/clock_memory_mhz": 1215.0,
        "gpu/0/throttle_reasons": "sw_power_cap,sw_thermal_slowdown,0x800",
    } == {name: value for name, value in event.items() if not name.startswith(("gpu/1", "gpu/2"))}


def test_unavailable_readings_are_left_out(event: dict[str, Any]) -> None:
    """A GPU without readings of power, throttling and this process has all other readings."""
    assert {
        "gpu/2/utilization_percent": 30.0,
        "gpu/2/memory_used_bytes": 3000,
        "gpu/2/memory_total_bytes": 24000,
        "gpu/2/temperature_celsius": 60.0,
        "gpu/2/clock_sm_mhz": 1610.0,
        "gpu/2/clock_memory_mhz": 1415.0,
    } == {name: value for name, value in event.items() if name.startswith("gpu/2/")}
    assert "" == event["gpu/1/throttle_reasons"]
    assert "gpu/1/process_memory_bytes" not in event


def test_fields_of_the_event_are_kept(event: dict[str, Any]) -> None:
    """A field that the event already has is not overwritten; the others are added."""
    assert 7.0 == event["gpu/1/power_watts"]
    assert 20.0 == event["gpu/1/utilization_percent"]


def test_only_selected_types_get_fields(run_scenario: RunScenario) -> None:
    """Events of other types pass unchanged; `events` replaces the default types."""
    assert [
        ["training", False],
        ["system", False],
        ["reward", True],
        [["not", "hashable"], False],
    ] == run_scenario("types_with_fields")


def test_gpus_are_numbered_as_in_cuda(run_scenario: RunScenario) -> None:
    """GPU 0, 1 … are the machine's GPUs in the order of `CUDA_VISIBLE_DEVICES`."""
    numberings = run_scenario("numberings", list(NUMBERINGS))

    assert NUMBERINGS == dict(zip(NUMBERINGS, numberings, strict=True))


def test_an_inaccessible_gpu_is_not_numbered(run_scenario: RunScenario) -> None:
    """A GPU that the process may not open has no number, as in CUDA."""
    assert [B, C] == run_scenario("numbering_without_permission_for_the_first")


def test_the_setting_is_read_once(run_scenario: RunScenario) -> None:
    """Changing `CUDA_VISIBLE_DEVICES` after the processor is created has no effect."""
    assert B == run_scenario("setting_changed_later")["gpu/0/memory_total_bytes"]


@given(setting=st.text(alphabet="0123456789-+, GPUMIab", max_size=12))
def test_any_setting_selects_distinct_gpus(setting: str) -> None:
    """No setting raises; the selected GPUs are distinct, and on the machine unless MIG slices."""
    uuids = ["GPU-a", "GPU-ab", "GPU-b"]
    visible = visible_gpus(setting, uuids)

    assert len(set(visible)) == len(visible)
    assert {uuid for uuid in visible if not uuid.startswith("MIG-")} <= set(uuids)


def test_events_never_call_the_driver(run_scenario: RunScenario) -> None:
    """Processing events makes no NVML calls."""
    assert 0 == run_scenario("calls_for_events", 1000)


def test_closing_ends_the_thread_and_shuts_nvml_down(run_scenario: RunScenario) -> None:
    """`close()` ends the thread in the middle of an hour's pause, and NVML is shut down."""
    assert {
        "opened": 1,
        "opened after": 0,
        "sampling after": False,
        "held back": [],
    } == run_scenario("closed")


def test_an_older_driver(run_scenario: RunScenario, old_nvml_stub: Path) -> None:
    """With a driver that only has the older name, the throttle reasons are still read."""
    event = run_scenario("sample", {}, library=old_nvml_stub)

    assert "sw_power_cap,sw_thermal_slowdown,0x800" == event["gpu/0/throttle_reasons"]


def test_no_library(run_scenario: RunScenario, broken_library: Path) -> None:
    """Without NVIDIA's library, events pass unchanged; two processors log a single message."""
    unchanged = {"event": "training", "loss": 0.5}

    assert [[unchanged, unchanged], [NO_GPU_MESSAGE]] == run_scenario(
        "nothing_to_sample", library=broken_library
    )


@pytest.mark.parametrize("name", ["no_driver", "no_gpu"])
def test_no_driver_or_gpu(run_scenario: RunScenario, name: str) -> None:
    """A library without a driver, and a driver without a GPU, also give one message at info."""
    assert [NO_GPU_MESSAGE] == run_scenario(name)


def test_all_gpus_hidden(run_scenario: RunScenario) -> None:
    """If the variable hides every GPU, the message says so."""
    assert [
        ["system", "info", "CUDA_VISIBLE_DEVICES selects no GPU: GPU statistics are disabled"]
    ] == run_scenario("all_hidden")


def test_one_gpu_is_lost(run_scenario: RunScenario) -> None:
    """The others keep their numbers, one warning is logged, and the GPU is read again later."""
    assert {
        "watts of the other": 200.0,
        "messages": [warning("GPU is lost")],
    } == run_scenario("one_gpu_lost_for_a_while")


@pytest.mark.parametrize(("code", "text"), [(9, "Driver Not Loaded"), (999, "Unknown Error")])
def test_the_driver_disappears_and_returns(run_scenario: RunScenario, code: int, text: str) -> None:
    """While it is away there are no stale readings; one warning is logged, and sampling resumes."""
    assert {"opened after": 0, "messages": [warning(text)]} == run_scenario(
        "driver_gone_twice", code
    )


def test_an_error_at_the_start(run_scenario: RunScenario) -> None:
    """A driver that fails for any reason other than its absence is retried."""
    assert [warning("Timeout")] == run_scenario("error_at_the_start", 10)


def test_the_driver_restarts_before_the_gpus_are_listed(run_scenario: RunScenario) -> None:
    """NVML is initialized again if it was initialized but the GPUs could not be listed."""
    assert [warning("Unknown Error")] == run_scenario("driver_restarted_during_lookup")


def test_torch_is_added(run_scenario: RunScenario) -> None:
    """If torch uses CUDA, the numbers of its allocator are added to those of NVML."""
    event = run_scenario("with_torch")

    assert 5 == event["torch/0/allocated_bytes"]
    assert 100.5 == event["gpu/0/power_watts"]


@pytest.mark.parametrize(
    ("setting", "names"),
    [(None, ["Stub a1", "Stub a2", "Stub b3"]), ("2,0", ["Stub b3", "Stub a1"])],
)
def test_run_started_has_the_names(
    run_scenario: RunScenario, setting: str | None, names: list[str]
) -> None:
    """The first event of a run has the names of the GPUs, in CUDA's order."""
    assert names == run_scenario("names_at_the_start", setting)


@pytest.mark.parametrize("interval_s", [0, -1, float("nan"), float("inf")])
def test_invalid_interval(interval_s: float) -> None:
    """The error names the option and the value."""
    with pytest.raises(ValueError, match=f"interval_s must be .* not {interval_s}"):
        InjectGpuStats(interval_s=interval_s)


def warning(reason: str) -> list[str]:
    """Return the warning that is logged for an error of the driver."""
    text = f"Can't read GPU statistics, retrying every 0.005 s: {reason}"
    return ["system", "warning", text]
