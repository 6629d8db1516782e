"""A minute of the torture; `make torture` takes several."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.torture.scenarios import SCENARIOS, share, torture
from tests.torture.table import table
from tests.torture.tally import Tally

SECONDS = 60.0
"""For all scenarios together; each does at least one round, however slow the machine is."""


@pytest.mark.parametrize("name", SCENARIOS)
def test_nothing_is_lost_and_nothing_stalls(name: str, tmp_path: Path) -> None:
    """No promise is broken, whatever is done to a run; what was done is printed."""
    tally = torture(name, "make test", share(name, SECONDS, SCENARIOS), tmp_path)
    print(table({name: tally}))

    assert [] == tally.broken
    assert 0 == tally.lost
    assert tally.checked > 0


def test_a_broken_promise_is_told() -> None:
    """A tally that found something wrong says so in the table."""
    tally = Tally(lost=3)
    tally.expect([1, 2], [1], "rows")

    assert ["rows: expected [1, 2], found [1]"] == tally.broken
    assert "broken: rows: expected [1, 2], found [1]" in table({"kill": tally})
