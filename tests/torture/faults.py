"""Sinks whose disk, folder, reader or code fails: the training and the other sinks go on."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

from tests.torture.broken_disks import (
    a_fifo_without_a_reader,
    a_file_too_large,
    a_folder_that_is_read_only,
    a_folder_that_vanishes,
    a_full_device,
    a_full_disk,
)
from tests.torture.broken_sinks import a_sink_that_hangs, a_sink_that_never_works, a_sink_with_moods
from tests.torture.tally import Tally

__all__ = ["faults"]

FAULTS: Sequence[Callable[[Tally, Random, Path], None]] = (
    a_full_disk,
    a_full_device,
    a_file_too_large,
    a_folder_that_is_read_only,
    a_folder_that_vanishes,
    a_fifo_without_a_reader,
    a_sink_that_hangs,
    a_sink_that_never_works,
    a_sink_with_moods,
)


def faults(tally: Tally, random: Random, until_s: float, folder: Path) -> None:
    """Inject each fault at least once, and again while there is time."""
    first_round = True
    while first_round or time.monotonic() < until_s:
        for fault in FAULTS:
            if first_round or time.monotonic() < until_s:
                fault(tally, random, Path(tempfile.mkdtemp(dir=folder)))
        first_round = False
