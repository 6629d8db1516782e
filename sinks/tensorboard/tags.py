"""The TensorBoard tags of fields.

The event type gives the prefix of a tag. TensorBoard groups tags by the part before the first `/`:

| event        | field         | tag               | tag in mode eval       |
|--------------|---------------|-------------------|------------------------|
| `training`   | any           | `train/<field>`   | `eval/<field>`         |
| `evaluation` | any           | `eval/<field>`    | `eval/<field>`         |
| `reward`     | `rewards/...` | the field itself  | `eval/<field>`         |
| `generation`, `rank`, `reward` | other | `train/<event>/<field>` | `eval/<event>/<field>` |
| `system`     | any           | `system/<field>`  | `system/<field>`       |
| other        | any           | `<event>/<field>` | `eval/<event>/<field>` |

TensorBoard opens the first groups of a run. `generation`, `rank` and the other numbers of `reward`
have no groups of their own, so that the first ones are `rewards` and, with evaluations, `eval`.

The points of `system` events are also at `system_by_second/<field>`, where the step is the time in
seconds since the run began: they are more frequent than steps, and TensorBoard's default loader
keeps one point a step.

Where a step has both an `evaluation` and `reward` events of the mode eval, the tags that they share
have the numbers of the `evaluation`, which are the trainer's.

The texts of `model_output` have the tags `model_output/<k>`, k from 0, or `eval/model_output/<k>`.
The reserved names of an event (`seq`, `step` …) have no tag. Nor do counters and other numbers
whose curve is meaningless (`num_tokens`, `global_step`, `rewards/*/n`), and the numbers of event
types that are texts, lists or reports (`has_curves` in `logflume.events.catalogue`).
"""

from __future__ import annotations

from logflume.events.catalogue import CATALOGUE, has_curves
from logflume.events.reserved import RESERVED_NAMES

__all__ = ["BY_SECOND", "mode_tag", "prefix_of", "tag_of"]

BY_SECOND = "system_by_second"
"""The prefix of `system` events by time."""

_WITHOUT_MODE = frozenset({"system", BY_SECOND, "checkpoint"})
_WITHIN_MODE = frozenset({"generation", "rank", "reward"})
_NOT_DRAWN = frozenset(
    {
        "epoch",
        "generation",
        "local_rank",
        "global_step",
        "groups",
        "n",
        "num_generations",
        "num_input_tokens_seen",
        "num_tokens",
        "rows",
        "total_flos",
        "disk_read_bytes",
        "disk_written_bytes",
        "memory_total_bytes",
        "network_received_bytes",
        "network_sent_bytes",
    }
)
"""Counters, constants and the step in other units: fields of any type, with or without a prefix."""

_WEIGHTS = "weights/"


def tag_of(event_type: str, mode: str | None, field: str) -> str | None:
    """Return the tag of a field; None if it has none.

    >>> tag_of("training", None, "loss")
    'train/loss'
    >>> tag_of("reward", "eval", "rewards/correctness/mean")
    'eval/rewards/correctness/mean'
    """
    if field in RESERVED_NAMES or not has_curves(event_type) or not _is_drawn(event_type, field):
        return None
    if event_type == "reward" and field.startswith("rewards/"):
        return mode_tag(mode, field)
    return f"{prefix_of(event_type, mode)}/{field}"


def prefix_of(event_type: str, mode: str | None) -> str:
    """Return the prefix of the tags of an event.

    >>> prefix_of("training", "eval"), prefix_of("generation", "eval")
    ('eval', 'eval/generation')
    """
    if event_type == "evaluation" or (event_type == "training" and mode == "eval"):
        return "eval"
    if event_type == "training":
        return "train"
    if event_type in _WITHIN_MODE and mode != "eval":
        return f"train/{event_type}"
    return event_type if event_type in _WITHOUT_MODE else mode_tag(mode, event_type)


def _is_drawn(event_type: str, field: str) -> bool:
    """Whether a field has a curve. All numbers of a user's own event types have one."""
    if event_type not in CATALOGUE and event_type != BY_SECOND:
        return True
    is_weight = event_type == "reward" and field.startswith(_WEIGHTS)
    return field.rpartition("/")[2] not in _NOT_DRAWN and not is_weight


def mode_tag(mode: str | None, tag: str) -> str:
    """Return the tag for a mode: evaluation and training have points at the same steps.

    >>> mode_tag("eval", "model_output/0")
    'eval/model_output/0'
    """
    return f"eval/{tag}" if mode == "eval" else tag
