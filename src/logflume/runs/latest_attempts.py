"""The latest-attempts view of a continued run: each step from the latest attempt that logged it.

There is one rule in three forms: for dicts, for Arrow tables, and for DuckDB.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

__all__ = ["ATTEMPT_EVENTS", "LATEST_SQL", "LatestAttempts", "latest_events"]

ATTEMPT_EVENTS = frozenset({"run_started", "run_finished", "pipeline", "exception"})
"""Event types that describe an attempt rather than a step. They are kept for every attempt."""

LATEST_SQL = "qualify step is null or attempt = max(attempt) over (partition by run, step, mode)"
"""The end of a query for the events of one type that selects those of the latest attempts."""


def latest_events(events: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield, for each event type, mode and step, the events of the latest attempt that has any.

    A run that is continued from a checkpoint logs some steps again. Events without a step, and
    steps that were not logged again, are kept.

    Args:
        events: All events. They are iterated over twice, so this can't be an iterator.
    """
    latest: dict[tuple[Any, ...], int] = {}
    for event in events:
        if (key := _step_key(event)) is not None:
            latest[key] = max(latest.get(key, 0), event.get("attempt", 0))
    for event in events:
        key = _step_key(event)
        # Events may have been added to a live run since the first pass.
        if key is None or event.get("attempt", 0) >= latest.get(key, 0):
            yield event


def _step_key(event: Mapping[str, Any]) -> tuple[Any, ...] | None:
    if event.get("step") is None or event["event"] in ATTEMPT_EVENTS:
        return None
    return event["event"], event.get("mode"), event["step"]


class LatestAttempts:
    """The same view for tables: the latest attempt of each step and mode of one event type.

    Args:
        keys: The columns `step`, `mode` and `attempt` of all events of the type.
    """

    def __init__(self, keys: pa.Table) -> None:
        import numpy as np

        step_keys, rows = np.unique(_step_keys(keys), return_inverse=True)
        self._step_keys = step_keys
        self._attempts = np.zeros(len(step_keys), dtype=np.int64)
        np.maximum.at(self._attempts, rows, keys["attempt"].to_numpy())

    def filter(self, events: pa.Table) -> pa.Table:
        """Return the events of the latest attempts, and those without a step."""
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        if not len(self._step_keys):
            return events
        last = len(self._step_keys) - 1
        indices = np.searchsorted(self._step_keys, _step_keys(events)).clip(max=last)
        is_latest = pa.array(events["attempt"].to_numpy() >= self._attempts[indices])
        return events.filter(pc.or_(is_latest, pc.is_null(events["step"])))


def _step_keys(table: pa.Table) -> np.ndarray[Any, Any]:
    """Return an integer for each row's step and mode; negative for rows without a step."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    step: Any = table["step"]
    mode: Any = pc.index_in(table["mode"], value_set=pa.array(["train", "eval"]))
    return np.asarray(pc.fill_null(step, -1).to_numpy() * 3 + pc.fill_null(mode, 2).to_numpy())
