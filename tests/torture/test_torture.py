"""All torture scenarios for a short time; `make torture` runs them for longer."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.length import IS_LONG
from tests.torture.result_table import result_table
from tests.torture.scenario_result import ScenarioResult
from tests.torture.scenarios import SCENARIOS, time_share, torture

SECONDS = 60.0 if IS_LONG else 20.0
"""For all scenarios together. Each runs at least one round, however slow the machine is."""


@pytest.mark.parametrize("name", SCENARIOS)
def test_no_guarantee_is_violated(name: str, tmp_path: Path) -> None:
    """No scenario violates a guarantee or loses a guaranteed event; its counts are printed."""
    result = torture(name, "make test", time_share(name, SECONDS, SCENARIOS), tmp_path)
    print(result_table({name: result}))

    assert [] == result.violations
    assert 0 == result.lost
    if not result.checked and result.skipped:
        pytest.skip("; ".join(result.skipped))
    assert result.checked > 0


def test_the_table_lists_violations() -> None:
    """A result with a violation shows it below the table."""
    result = ScenarioResult(lost=3)
    result.expect([1, 2], [1], "rows")

    assert ["rows: expected [1, 2], found [1]"] == result.violations
    assert "violation: rows: expected [1, 2], found [1]" in result_table({"kill": result})
