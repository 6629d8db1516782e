"""The current view of a run that was continued: of what was logged twice, the latest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

__all__ = ["ATTEMPT_EVENTS", "LatestAttempts", "latest_events"]

ATTEMPT_EVENTS = frozenset({"run_started", "run_finished", "pipeline", "exception"})
"""Types that tell of an attempt, and not of a step: those of every attempt stay."""


def latest_events(events: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the events of the latest attempt of each step, by type and mode.

    After a continued run has gone back to a checkpoint it logs some steps again. Events without
    a step stay, and so do those of steps that were not logged again.

    Args:
        events: All events; it is gone through twice, so it is no iterator.
    """
    latest: dict[tuple[Any, ...], int] = {}
    for event in events:
        if (place := _place(event)) is not None:
            latest[place] = max(latest.get(place, 0), event.get("attempt", 0))
    for event in events:
        place = _place(event)
        # A run that is being written may have gone on since the first time through.
        if place is None or event.get("attempt", 0) >= latest.get(place, 0):
            yield event


def _place(event: Mapping[str, Any]) -> tuple[Any, ...] | None:
    if event.get("step") is None or event["event"] in ATTEMPT_EVENTS:
        return None
    return event["event"], event.get("mode"), event["step"]


class LatestAttempts:
    """The same view of tables: the latest attempt of each step and mode of one type of event.

    Args:
        keys: The columns `step`, `mode` and `attempt` of all events of the type.
    """

    def __init__(self, keys: pa.Table) -> None:
        import numpy as np

        places, rows = np.unique(_places(keys), return_inverse=True)
        self._places = places
        self._attempts = np.zeros(len(places), dtype=np.int64)
        np.maximum.at(self._attempts, rows, keys["attempt"].to_numpy())

    def filter(self, events: pa.Table) -> pa.Table:
        """Return the events of the latest attempts, and those without a step."""
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        if not len(self._places):
            return events
        where = np.searchsorted(self._places, _places(events)).clip(max=len(self._places) - 1)
        is_latest = pa.array(events["attempt"].to_numpy() >= self._attempts[where])
        return events.filter(pc.or_(is_latest, pc.is_null(events["step"])))


def _places(table: pa.Table) -> np.ndarray[Any, Any]:
    """Return a number for each row's step and mode; those without a step are in no place."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    step: Any = table["step"]
    mode: Any = pc.index_in(table["mode"], value_set=pa.array(["train", "eval"]))
    return np.asarray(pc.fill_null(step, -1).to_numpy() * 3 + pc.fill_null(mode, 2).to_numpy())
