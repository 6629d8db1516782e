"""The readings of memory, CPU, disk and GPU that `system` events contain."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import psutil
import pytest

from logflume.resources import system_usage, torch_memory
from logflume.values.declared import declared_kind
from logflume.values.kinds import Kind

MIB = 2**20


def test_every_reading_is_declared_with_its_type(tmp_path: Path) -> None:
    """Each name is declared for `system` events, with the kind of its value."""
    kinds = {int: Kind.INTEGER, float: Kind.NUMBER}
    fields = system_usage(tmp_path)

    assert {name: declared_kind("system", name) for name in fields} == {
        name: kinds[type(value)] for name, value in fields.items()
    }


def test_readings_of_every_platform(tmp_path: Path) -> None:
    """Memory, CPU and free disk space are available on any machine."""
    assert {
        "process_memory_bytes",
        "memory_used_bytes",
        "memory_total_bytes",
        "process_cpu_percent",
        "cpu_percent",
        "disk_free_bytes",
    } <= set(system_usage(tmp_path))


def test_unavailable_readings_are_omitted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a readable /proc, only readings from other sources remain, and no error is raised."""
    monkeypatch.setattr(psutil, "PROCFS_PATH", str(tmp_path), raising=False)
    fields = system_usage(tmp_path)

    assert "disk_free_bytes" in fields
    if psutil.LINUX:
        assert not {"memory_used_bytes", "cpu_percent", "network_sent_bytes"} & set(fields)


def test_memory_is_in_bytes() -> None:
    """After an allocation of 64 MiB the memory in use is larger by about as many bytes."""
    # In a process of its own, because this one might reuse memory that other tests have freed.
    script = (
        "from logflume.resources import machine_memory, process_memory\n"
        "before = process_memory()['process_memory_bytes']\n"
        f"block = bytearray(b'x') * {64 * MIB}\n"
        "print(process_memory()['process_memory_bytes'] - before)\n"
        "print(*machine_memory().values())\n"
    )
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout
    grown, used, total = (int(number) for number in output.split())

    assert 48 * MIB < grown < 128 * MIB
    assert 64 * MIB < used < total


def test_cpu_is_measured_between_calls(tmp_path: Path) -> None:
    """A process that computes without a pause shows CPU usage from the second call on."""
    system_usage(tmp_path)
    deadline_s = time.monotonic() + 60
    while not system_usage(tmp_path)["process_cpu_percent"] > 0:
        assert time.monotonic() < deadline_s


def test_free_disk_space_of_a_missing_folder(tmp_path: Path) -> None:
    """A path that doesn't exist yet has the free space of its nearest existing parent."""
    assert system_usage(tmp_path / "not" / "there" / "yet")["disk_free_bytes"] > 0


def test_torch_is_never_imported() -> None:
    """In a process without torch, `torch_memory` returns nothing and doesn't import torch."""
    code = (
        "import sys; from logflume.resources import torch_memory; "
        "print(torch_memory(), 'torch' in sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert "{} False" == result.stdout.strip()


def test_cuda_is_never_initialized() -> None:
    """With the real torch, there are readings only if CUDA is in use, and CUDA is never started."""
    torch = pytest.importorskip("torch")
    was_initialized = torch.cuda.is_initialized()

    assert was_initialized == bool(torch_memory())
    assert was_initialized == torch.cuda.is_initialized()


def test_torch_during_its_import(monkeypatch: pytest.MonkeyPatch) -> None:
    """A `torch.cuda` that another thread is still importing gives no readings."""
    monkeypatch.setitem(sys.modules, "torch.cuda", ModuleType("torch.cuda"))

    assert {} == torch_memory()


def test_torch_allocator(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each device has three numbers, 0 where the allocator has no such statistic yet.

    A fake replaces `torch.cuda`, which needs the hardware.
    """
    statistics: list[dict[str, Any]] = [
        {
            "allocated_bytes.all.current": 5,
            "allocated_bytes.all.peak": 7,
            "reserved_bytes.all.current": 8,
        },
        {},
    ]
    cuda = SimpleNamespace(
        is_initialized=lambda: True,
        device_count=lambda: len(statistics),
        memory_stats=lambda index: statistics[index],
    )
    monkeypatch.setitem(sys.modules, "torch.cuda", cuda)

    assert {
        "torch/0/allocated_bytes": 5,
        "torch/0/reserved_bytes": 8,
        "torch/0/peak_bytes": 7,
        "torch/1/allocated_bytes": 0,
        "torch/1/reserved_bytes": 0,
        "torch/1/peak_bytes": 0,
    } == torch_memory()
