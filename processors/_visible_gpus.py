"""Which GPUs CUDA shows a process, and under which numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["visible_gpus"]


def visible_gpus(setting: str | None, uuids: Sequence[str]) -> list[str]:
    """Return the UUIDs of the GPUs that CUDA numbers 0, 1, 2 … under `CUDA_VISIBLE_DEVICES`.

    CUDA's rules: all entries are of the first one's sort (indices, UUIDs or their beginnings, MIG
    UUIDs), the list ends before the first entry that names no single GPU, and a GPU given twice
    hides all. An index counts in PCI order here; CUDA counts so with
    `CUDA_DEVICE_ORDER=PCI_BUS_ID`, and else puts the fastest GPU first, which differs only where
    the GPUs of a machine differ.

    Args:
        setting: The value of the variable; None when it is not set, which shows all.
        uuids: The UUIDs of the machine's GPUs in PCI order.

    Source: the CUDA programming guide, "CUDA environment variables"; the details as in
    `torch.cuda._parse_visible_devices`.

    >>> visible_gpus("2,0,7,1", ["GPU-a", "GPU-b", "GPU-c"])
    ['GPU-c', 'GPU-a']
    """
    if setting is None:
        return list(uuids)
    find = next((_FINDERS[sort] for sort in _FINDERS if setting.startswith(sort)), _by_index)
    found: list[str] = []
    for entry in setting.split(","):
        uuid = find(entry.strip(), uuids)
        if uuid is None:
            break
        if uuid in found:
            return []
        found.append(uuid)
    return found


def _by_index(entry: str, uuids: Sequence[str]) -> str | None:
    number = re.match(r"[+-]?\d+", entry)
    index = int(number[0]) if number else -1
    return uuids[index] if 0 <= index < len(uuids) else None


def _by_prefix(entry: str, uuids: Sequence[str]) -> str | None:
    if not entry.startswith("GPU-"):
        return None
    matches = [uuid for uuid in uuids if uuid.startswith(entry)]
    return matches[0] if len(matches) == 1 else None


def _by_mig(entry: str, uuids: Sequence[str]) -> str | None:  # noqa: ARG001 - one of three alike
    """Take a MIG UUID as it is: only the driver knows the slices of a GPU."""
    return entry if entry.startswith("MIG-") else None


_FINDERS = {"GPU-": _by_prefix, "MIG-": _by_mig}
