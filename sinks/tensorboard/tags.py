"""The TensorBoard tags of fields.

The event type gives the prefix of a tag. TensorBoard groups tags by the part before the first `/`:

| event        | field         | tag               | tag in mode eval       |
|--------------|---------------|-------------------|------------------------|
| `training`   | any           | `train/<field>`   | `eval/<field>`         |
| `evaluation` | any           | `eval/<field>`    | `eval/<field>`         |
| `reward`     | `rewards/...` | the field itself  | `eval/<field>`         |
| `system`     | any           | `system/<field>`  | `system/<field>`       |
| other        | any           | `<event>/<field>` | `eval/<event>/<field>` |

Where a step has both an `evaluation` and `reward` events of the mode eval, the tags that they share
have the numbers of the `evaluation`, which are the trainer's.

The texts of `model_output` have the tags `model_output/<k>`, k from 0, or `eval/model_output/<k>`.
The reserved names of an event (`seq`, `step` …) have no tag. Nor do the numbers of event types that
are texts, lists or reports: `model_output`, `tokens`, `run_started`, `run_finished`, `message`,
`pipeline`, `exception`.
"""

from __future__ import annotations

import msgspec

from logflume.events.catalogue import EventBase

__all__ = ["mode_tag", "prefix_of", "tag_of"]

_WITHOUT_MODE = frozenset({"system", "summary", "checkpoint", "alert"})
_WITHOUT_TAGS = frozenset(
    {"model_output", "tokens", "run_started", "run_finished", "message", "pipeline", "exception"}
)
_RESERVED = frozenset(field.encode_name for field in msgspec.structs.fields(EventBase))


def tag_of(event_type: str, mode: str | None, field: str) -> str | None:
    """Return the tag of a field; None if it has none.

    >>> tag_of("training", None, "loss")
    'train/loss'
    >>> tag_of("reward", "eval", "rewards/correctness/mean")
    'eval/rewards/correctness/mean'
    """
    if field in _RESERVED or event_type in _WITHOUT_TAGS:
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
    return event_type if event_type in _WITHOUT_MODE else mode_tag(mode, event_type)


def mode_tag(mode: str | None, tag: str) -> str:
    """Return the tag for a mode: evaluation and training have points at the same steps.

    >>> mode_tag("eval", "model_output/0")
    'eval/model_output/0'
    """
    return f"eval/{tag}" if mode == "eval" else tag
