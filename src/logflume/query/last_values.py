"""What a list of runs shows, read from both ends of an attempt's journal, not from all of it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from logflume.formats.journal import Line, open_journal, parse_line, read_lines_from
from logflume.formats.journal_lines import PIPELINE, find_position, find_step, find_type
from logflume.runs.files import Writer

__all__ = ["LastValues", "add_survivor", "read_ends"]

_FIRST_BYTES = 1 << 15
_GROWTH = 8
_MAX_BYTES = 1 << 21
"""Of the end of a journal: a step with many long completions."""


class LastValues(NamedTuple):
    """The last values of the latest attempt.

    Attributes:
        step: The highest step.
        reward: The mean reward, as the trainer reports it; else that of rank 0's completions.
        duration_s: How long the latest attempt took, in seconds; None if it hasn't ended.
    """

    step: int | None
    reward: float | None
    duration_s: float | None


def read_ends(writers: Sequence[Writer]) -> tuple[LastValues | None, list[dict[str, Any]]]:
    """Return what the latest attempt of a run logged last, and its `run_started` events.

    They are in the journal of its first rank: at the end, and where the attempt begins.

    Args:
        writers: All writers of the run.

    Returns:
        The last values, and the events. The values are None if the end of the journal
        doesn't have them, for example just after a rotation.

    Raises:
        RunError: The journal can't be read, or is damaged at an end.
    """
    lowest = min((writer.rank for writer in writers), default=0)
    of_lowest = [writer for writer in writers if writer.rank == lowest]
    latest = max(of_lowest, key=_attempt, default=None)
    if latest is None:
        return None, []
    with ExitStack() as stack:
        files = open_journal(latest, stack)
        started = _read_started(files, _attempt(latest))
        return _read_last_values(files, _attempt(latest)), started


def add_survivor(values: LastValues, survivor: Writer) -> LastValues:
    """Return the values of a run whose first rank ended before another one.

    Args:
        values: Those of the first rank.
        survivor: The other rank. Its last step counts, of any event, and so does its duration.

    Raises:
        RunError: Its journal can't be read, or is damaged at its end.
    """
    from logflume.query.run_snapshot import Snapshot

    with ExitStack() as stack:
        end = _read_end(open_journal(survivor, stack))
    last_step = end.last_step()
    if last_step is None and (of_attempts := Snapshot(survivor).last_steps()):
        last_step = of_attempts[max(of_attempts)]
    duration_s = end.values(_attempt(survivor)).duration_s
    return LastValues(
        max((step for step in (values.step, last_step) if step is not None), default=None),
        values.reward,
        duration_s if values.duration_s is None else values.duration_s,
    )


def _read_end(files: Sequence[tuple[Path, Any]]) -> _End:
    """Return the last bytes of a journal, none if they are compressed."""
    if not files or files[-1][0].suffix == ".zst":
        return _End(Path(), b"", is_whole=True)
    path, file = files[-1]
    start = max(0, file.seek(0, os.SEEK_END) - _FIRST_BYTES)
    file.seek(start)
    return _End(path, file.read(), is_whole=start == 0)


def _read_last_values(files: Sequence[tuple[Path, Any]], attempt: int) -> LastValues | None:
    """Return the values at the end of a journal, with the duration of this attempt."""
    if not files or files[-1][0].suffix == ".zst":
        return None
    path, file = files[-1]
    size_bytes = file.seek(0, os.SEEK_END)
    tail_bytes = _FIRST_BYTES
    while True:
        start = max(0, size_bytes - tail_bytes)
        file.seek(start)
        end = _End(path, file.read(size_bytes - start), is_whole=start == 0)
        values = end.values(attempt)
        if end.has_training or (start == 0 and len(files) == 1):
            return values
        if start == 0 or tail_bytes >= _MAX_BYTES:
            return None if values.step is None else values
        tail_bytes *= _GROWTH


_HEAD_BYTES = 1 << 18
"""Of the beginning of an attempt. A trainer reports its arguments before its first step."""


def _read_started(files: Sequence[tuple[Path, Any]], attempt: int) -> list[dict[str, Any]]:
    """Return the `run_started` events at the beginning of an attempt, from files just opened."""
    path, data = _read_head(files, attempt)
    found, end = [], 0
    size_bytes = data.rfind(b"\n") + 1
    while (position := data.find(_type_pattern("run_started"), end, size_bytes)) >= 0:
        start, end = data.rfind(b"\n", 0, position) + 1, data.find(b"\n", position) + 1
        found.append(parse_line(Line(data[start:end], path, None)))
    return found


def _read_head(files: Sequence[tuple[Path, Any]], attempt: int) -> tuple[Path, bytes]:
    """Return the beginning of an attempt, and the file that it is in."""
    if attempt <= 0:  # `read_lines_from` would import pyarrow
        return next(((path, file.read(_HEAD_BYTES)) for path, file in files), (Path(), b""))
    for _, line in read_lines_from(files, (attempt, 0)):
        # Lines are read one by one, so the file is at the end of this one.
        return line.path, line.raw + dict(files)[line.path].read(_HEAD_BYTES)
    return Path(), b""


def _type_pattern(event_type: str) -> bytes:
    # Quotes within texts are escaped, so what is found is the event's own type.
    return b'"event":"%s",' % event_type.encode()


def _attempt(writer: Writer) -> int:
    return -1 if writer.state is None else writer.state.attempt


class _End:
    """The end of a journal.

    Args:
        path: The file.
        data: Its last bytes.
        is_whole: Whether these are all.

    Attributes:
        has_training: Whether it has a report of the trainer with a reward.
    """

    def __init__(self, path: Path, data: bytes, is_whole: bool) -> None:
        self._path = path
        first = 0 if is_whole else data.find(b"\n") + 1
        self._data = data[first : data.rfind(b"\n") + 1]
        self._last_step = self.last_step()
        self._training = self._find("training", "reward")
        self._reward = self._find("reward", "rewards/total/mean")
        self.has_training = self._training.get("reward") is not None

    def values(self, attempt: int) -> LastValues:
        """Return the values, with the duration of this attempt."""
        reward = self._training.get("reward")
        ended = self._find("run_finished", "duration_s", has_step=False)
        return LastValues(
            self._last_step,
            self._reward.get("rewards/total/mean") if reward is None else reward,
            ended.get("duration_s") if ended.get("attempt") == attempt else None,
        )

    def last_step(self) -> int | None:
        """Return the highest step of the last attempt, but for reports of the pipeline."""
        steps: dict[int, int] = {}
        for line in self._data.splitlines():
            if find_type(line) == PIPELINE:
                continue
            step, position = find_step(line), find_position(line)
            if step is not None and position is not None:
                steps[position[0]] = max(step, steps.get(position[0], step))
        return steps[max(steps)] if steps else None

    def _find(self, event_type: str, field: str, *, has_step: bool = True) -> dict[str, Any]:
        """Return the last event of a type with a field; without one, the last of the type.

        Events of an evaluation don't count, nor do steps that the last attempt has not reached yet.
        """
        pattern = _type_pattern(event_type)
        last: dict[str, Any] = {}
        end = len(self._data)
        while (position := self._data.rfind(pattern, 0, end)) >= 0:
            end = self._data.rfind(b"\n", 0, position) + 1
            raw = self._data[end : self._data.find(b"\n", position) + 1]
            event = parse_line(Line(raw, self._path, None))
            if has_step and (event.get("mode") == "eval" or not self._is_reached(event)):
                continue
            last = last or event
            if event.get(field) is not None:
                return {**event, "step": last["step"]}
        return last

    def _is_reached(self, event: dict[str, Any]) -> bool:
        step = event.get("step")
        return step is not None and self._last_step is not None and step <= self._last_step
