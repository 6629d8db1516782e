"""The Python reference: the public names, rendered by mkdocstrings from their docstrings."""

from __future__ import annotations

__all__ = ["python_page"]

_PAGE = """# Python

What code may import. Everything else is internal, and may change in any version.

## Logging: `logflume`

::: logflume.runtime.lifecycle
    options: {{members: [initialize, set_step, flush, shutdown, report]{quiet}}}

::: logflume.logger.logger
    options: {{members: [get_logger, EventLogger]{quiet}}}

::: logflume.logger.helpers
    options: {{{bare}}}

::: logflume.values.visuals
    options: {{members: [Image, Histogram]{quiet}}}

## Trainers: `logflume.training`

::: logflume.training.attach
    options: {{members: [attach, Attachment]{quiet}}}

::: logflume.training.callbacks
    options: {{{bare}}}

::: logflume.training.wrapped_rewards
    options: {{members: [get_wrapped_reward_functions, wrap_reward]{quiet}}}

::: logflume.training.policies
    options: {{{bare}}}

## Reading: `open_run`

::: logflume.query.open_run
    options: {{members: [open_run, open_runs, Run, Runs]{quiet}}}

::: logflume.query.questions.Questions

::: logflume.query.rollout_questions.RolloutQuestions

## Importing logs: `logflume.importing`

::: logflume.importing
    options: {{{bare}}}

## Components: `logflume.protocols`

::: logflume.protocols
    options: {{{bare}}}

## Tests of code that logs: `logflume.testing`

::: logflume.testing
    options: {{{bare}}}

## Exceptions: `logflume.exceptions`

::: logflume.exceptions
    options: {{{bare}}}
"""

_BARE = "show_root_heading: false, show_root_toc_entry: false"


def python_page() -> str:
    """Return the page as Markdown."""
    return _PAGE.format(bare=_BARE, quiet=f", {_BARE}")
