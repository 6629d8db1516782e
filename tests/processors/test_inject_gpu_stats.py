"""The real pynvml reads a stub of the driver's library, each time in a fresh process."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logflume.processors._visible_gpus import visible_gpus
from logflume.processors.inject_gpu_stats import InjectGpuStats

if TYPE_CHECKING:
    from tests.processors.conftest import RunScenario

# The memory of the stub's GPUs and of its MIG slice, which tells them apart.
A, B, C, SLICE = 8000, 16000, 24000, 4000
UUID_A = "GPU-a1000000-0000-0000-0000-000000000000"
UUID_SLICE = "MIG-c4000000-0000-0000-0000-000000000000"

NO_GPU_NOTE = ["system", "info", "No NVIDIA GPU: GPU statistics are off"]

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
    """An event that came with two fields and passed after the first sample."""
    sampled: dict[str, Any] = run_scenario("sample", {"loss": 0.5, "gpu/1/power_watts": 7.0})
    return sampled


def test_units_and_names(event: dict[str, Any]) -> None:
    """Every reading arrives under its declared name and in its unit; milliwatts become watts."""
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


def test_what_a_gpu_does_not_tell_is_left_out(event: dict[str, Any]) -> None:
    """A GPU without power and throttle readings, and without this process, keeps the others."""
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


def test_a_field_of_the_event_wins(event: dict[str, Any]) -> None:
    """A field that is in the event already is not overwritten, and those around it are added."""
    assert 7.0 == event["gpu/1/power_watts"]
    assert 20.0 == event["gpu/1/utilization_percent"]


def test_only_chosen_events_get_fields(run_scenario: RunScenario) -> None:
    """Events of other types pass as they are; `events` replaces the default."""
    assert [
        ["training", False],
        ["system", False],
        ["reward", True],
        [["not", "hashable"], False],
    ] == run_scenario("types_with_fields")


def test_numbers_are_those_of_cuda(run_scenario: RunScenario) -> None:
    """GPU 0, 1 … are what `CUDA_VISIBLE_DEVICES` makes of the machine's GPUs."""
    found = run_scenario("numberings", list(NUMBERINGS))

    assert NUMBERINGS == dict(zip(NUMBERINGS, found, strict=True))


def test_a_gpu_shut_out_has_no_number(run_scenario: RunScenario) -> None:
    """A GPU that the process may not open is not counted, as CUDA doesn't count it."""
    assert [B, C] == run_scenario("numbering_without_permission_for_the_first")


def test_the_setting_is_read_at_the_start(run_scenario: RunScenario) -> None:
    """A change of `CUDA_VISIBLE_DEVICES` after the processor was made changes nothing."""
    assert B == run_scenario("setting_changed_later")["gpu/0/memory_total_bytes"]


@given(setting=st.text(alphabet="0123456789-+, GPUMIab", max_size=12))
def test_any_setting_shows_some_gpus_once(setting: str) -> None:
    """No text raises; what comes out is distinct, and on the machine unless it is a MIG slice."""
    uuids = ["GPU-a", "GPU-ab", "GPU-b"]
    found = visible_gpus(setting, uuids)

    assert len(set(found)) == len(found)
    assert {uuid for uuid in found if not uuid.startswith("MIG-")} <= set(uuids)


def test_an_event_calls_no_driver(run_scenario: RunScenario) -> None:
    """However many events pass, NVML is called no more often."""
    assert 0 == run_scenario("calls_for_events", 1000)


def test_closing_ends_the_thread_and_gives_nvml_back(run_scenario: RunScenario) -> None:
    """In the middle of an hour's pause `close()` ends the thread, which gives NVML back."""
    assert {
        "opened": 1,
        "opened after": 0,
        "sampling after": False,
        "held back": [],
    } == run_scenario("closed")


def test_an_older_driver(run_scenario: RunScenario, old_nvml_stub: Path) -> None:
    """A driver that has the throttle reasons under their older name only tells them too."""
    event = run_scenario("sample", {}, library=old_nvml_stub)

    assert "sw_power_cap,sw_thermal_slowdown,0x800" == event["gpu/0/throttle_reasons"]


def test_no_library(run_scenario: RunScenario, broken_library: Path) -> None:
    """Without NVIDIA's library events pass as they are, and two processors say so once."""
    unchanged = {"event": "training", "loss": 0.5}

    assert [[unchanged, unchanged], [NO_GPU_NOTE]] == run_scenario(
        "nothing_to_sample", library=broken_library
    )


@pytest.mark.parametrize("name", ["no_driver", "no_gpu"])
def test_no_driver_or_gpu(run_scenario: RunScenario, name: str) -> None:
    """A library without a driver, and a driver without a GPU, are one quiet note as well."""
    assert [NO_GPU_NOTE] == run_scenario(name)


def test_all_gpus_hidden(run_scenario: RunScenario) -> None:
    """Where the variable hides every GPU, the note says so."""
    assert [
        ["system", "info", "No GPU in CUDA_VISIBLE_DEVICES: GPU statistics are off"]
    ] == run_scenario("all_hidden")


def test_one_gpu_is_lost(run_scenario: RunScenario) -> None:
    """The others stay, under their numbers; it is noted once, and the GPU comes back."""
    assert {
        "watts of the other": 200.0,
        "notes": [trouble_note("GPU is lost")],
    } == run_scenario("one_gpu_lost_for_a_while")


@pytest.mark.parametrize(("code", "text"), [(9, "Driver Not Loaded"), (999, "Unknown Error")])
def test_the_driver_goes_away_and_returns(run_scenario: RunScenario, code: int, text: str) -> None:
    """While it is away there are no old numbers; it is noted once, and sampling goes on after."""
    assert {"opened after": 0, "notes": [trouble_note(text)]} == run_scenario(
        "driver_gone_twice", code
    )


def test_trouble_at_the_start(run_scenario: RunScenario) -> None:
    """A driver that fails for another reason than not being there is tried again."""
    assert [trouble_note("Timeout")] == run_scenario("trouble_at_the_start", 10)


def test_a_driver_restarts_before_the_gpus_are_known(run_scenario: RunScenario) -> None:
    """NVML is opened anew when it was open but the GPUs could not be listed."""
    assert [trouble_note("Unknown Error")] == run_scenario(
        "driver_restarted_while_gpus_are_looked_up"
    )


def test_torch_is_added(run_scenario: RunScenario) -> None:
    """With CUDA in use through torch, its allocator's numbers stand beside NVML's."""
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
    """The first event of a run has the names of the GPUs in CUDA's order."""
    assert names == run_scenario("names_at_the_start", setting)


@pytest.mark.parametrize("interval_s", [0, -1, float("nan"), float("inf")])
def test_an_interval_that_can_not_be_waited_for(interval_s: float) -> None:
    """The error names the option and the value."""
    with pytest.raises(ValueError, match=f"interval_s must be .* not {interval_s}"):
        InjectGpuStats(interval_s=interval_s)


def trouble_note(reason: str) -> list[str]:
    text = f"GPU statistics can't be read, trying again every 0.005 s: {reason}"
    return ["system", "warning", text]
