"""A trainer's own reports, which are left out while the console shows the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import logflume
from logflume.testing import capture_events
from logflume.training import attach
from logflume.training.callbacks import EnhancedLoggingCallback
from tests.training.test_callbacks import make_trainer

CONSOLE: dict[str, Any] = {"root": {"sinks": ["console"]}, "sinks": {"console": None}}


@pytest.mark.parametrize("has_bar", [False, True])
def test_reports_are_quiet_while_attached(
    has_bar: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The console's lines take the place of the trainer's, which come back afterwards."""
    trainer = make_trainer(
        tmp_path / "out", EnhancedLoggingCallback(), disable_tqdm=not has_bar, max_steps=3
    )
    logflume.initialize(CONSOLE, dir=tmp_path)
    with attach(trainer):
        trainer.train()
    logflume.flush()
    attached = capsys.readouterr()
    trainer.train()
    logflume.shutdown()
    detached = capsys.readouterr()

    assert "'loss'" not in attached.out + attached.err
    assert 3 == attached.err.count("/3  loss")
    assert has_bar == ("100%" in attached.err)
    assert "'loss'" in detached.out + detached.err


def test_reports_that_nobody_else_shows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a console, and with `quiet=False`, the trainer prints as ever."""
    trainer = make_trainer(tmp_path / "out", EnhancedLoggingCallback(), max_steps=1)
    with capture_events(), attach(trainer):
        trainer.train()
    assert "'loss'" in capsys.readouterr().out

    logflume.initialize(CONSOLE, dir=tmp_path)
    with attach(trainer, quiet=False):
        trainer.train()
    logflume.shutdown()
    assert "'loss'" in capsys.readouterr().out
