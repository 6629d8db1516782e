"""The command line of the demo's scripts."""

from __future__ import annotations

import pytest

from logflume.demo.options import parse_options


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--steps", "x"], "argument --steps: expected a number of steps, 1 or more, not 'x'"),
        (["--steps", "0"], "argument --steps: expected a number of steps, 1 or more, not '0'"),
        (["--step", "5"], "unrecognized arguments: --step 5"),
    ],
)
def test_errors(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """An error says what is expected; options can't be abbreviated."""
    with pytest.raises(SystemExit):
        parse_options(arguments, description="")
    assert message in capsys.readouterr().err
