"""Resolves `CUDA_VISIBLE_DEVICES` to the GPUs that a process sees, in CUDA's numbering."""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["visible_gpus"]


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
