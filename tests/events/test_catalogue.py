"""The event catalogue, and the JSON Schema that is generated from it."""

from __future__ import annotations

import json
import re
from typing import Any, get_type_hints

import msgspec
import pytest
from jsonschema import Draft202012Validator
from jsonschema.validators import validator_for

from logflume.events.catalogue import CATALOGUE
from logflume.events.reserved import EXCEPTION_FAMILIES, EventBase
from logflume.testing import capture_events
from logflume.values.declared import declared_columns, declared_kind
from logflume.values.kinds import Kind
from logflume.values.schema import event_schema
from tests.event_helpers import RESERVED, finished_event

SCHEMA = event_schema()
VALIDATOR = Draft202012Validator(SCHEMA)
SUFFIXES = {"bytes": "_bytes", "s": "_s", "%": "_percent"}
NAMED_BY_TRAINERS = {"step_time", "train_runtime", "runtime"}


def make_event(event_type: str = "probe", /, **fields: Any) -> dict[str, Any]:
    """Return a valid event with these fields."""
    return finished_event(event_type, **{"step": None, **fields})


def described_fields() -> list[tuple[str, str, msgspec.Meta]]:
    """Return event type, name and description of every declared field."""
    described = []
    for event_type, declared in CATALOGUE.items():
        hints = get_type_hints(declared, include_extras=True)
        for item in msgspec.structs.fields(declared):
            metas = getattr(hints[item.name], "__metadata__", (msgspec.Meta(),))
            described.append((event_type, item.encode_name, metas[0]))
    return described


def test_the_catalogue_has_the_documented_types() -> None:
    """The event types of the design are declared under the names with which they are logged."""
    documented = ["model_output", "run_started", "run_finished", "training", "evaluation", "reward"]
    documented += ["generation", "system", "checkpoint", "message", "exception", "pipeline"]

    assert [] == [name for name in documented if name not in CATALOGUE]
    assert all(declared.__doc__ for declared in CATALOGUE.values())


def test_every_field_is_described() -> None:
    """Each declared field and family has a description."""
    families = [text for c in CATALOGUE.values() for _, text in c.families.values()]

    assert [] == [(kind, name) for kind, name, meta in described_fields() if not meta.description]
    assert all(families)


def test_units_are_in_the_names() -> None:
    """A field in bytes ends in `_bytes`, one in seconds in `_s`, except for trainers' own names."""
    wrong = []
    for event_type, name, meta in described_fields():
        suffix = SUFFIXES.get((meta.extra or {}).get("unit", ""))
        if suffix and not name.endswith(suffix) and name not in NAMED_BY_TRAINERS:
            wrong.append((event_type, name))

    assert [] == wrong


def test_a_field_has_the_same_kind_in_all_types() -> None:
    """A field that several event types declare has the same kind in each, except `rewards/…`."""
    kinds: dict[str, set[Kind]] = {}
    for event_type in CATALOGUE:
        for name, kind in declared_columns(event_type).items():
            kinds.setdefault(name, set()).add(kind)

    assert {} == {name: several for name, several in kinds.items() if len(several) > 1}


def test_reserved_names_come_first() -> None:
    """The columns of every event type start with the reserved names, in the documented order."""
    assert all([*RESERVED] == list(declared_columns(name))[:10] for name in [*CATALOGUE, "probe"])


def test_the_schema_is_valid() -> None:
    """The schema is valid JSON Schema (2020-12), and plain JSON."""
    assert Draft202012Validator is validator_for(SCHEMA)
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA == json.loads(json.dumps(SCHEMA))


def test_the_patterns_of_the_schema_are_portable() -> None:
    """The patterns only use features of ECMA-262, so other validators can use them, too."""
    patterns = [p for d in SCHEMA["$defs"].values() for p in d["patternProperties"]]

    assert all(re.compile(pattern) for pattern in patterns)
    assert [] == [p for p in patterns if re.search(r"\(\?[^:=!]|\\[AZ]|\\[_/-]", p)]


@pytest.mark.parametrize(
    ("event_type", "name", "kind"),
    [
        ("reward", "rewards/a", Kind.NUMBERS),
        ("reward", "rewards/a/mean", Kind.NUMBER),
        ("reward", "rewards/a/n", Kind.INTEGER),
        ("reward", "rewards/a/b", Kind.NUMBERS),
        ("reward", "rewards/a/b/mean", Kind.NUMBER),
        ("reward", "rewards/mean", Kind.NUMBERS),
        ("reward", "rewards/mean/mean", Kind.NUMBER),
        ("reward", "rewards/total/frac_zero_std", Kind.NUMBER),
        ("reward", "rewards/", None),
        ("reward", "my_rewards/a", None),
        ("reward", "weights/a", Kind.NUMBER),
        ("training", "rewards/a/mean", Kind.NUMBER),
        ("training", "rewards/a", None),
        ("training", "gpu/0/memory_used_bytes", Kind.INTEGER),
        ("training", "gpu/0/power_watts", Kind.NUMBER),
        ("training", "gpu/0/throttle_reasons", Kind.TEXT),
        ("system", "torch/0/peak_bytes", Kind.INTEGER),
        ("model_output", "rewards/a", Kind.NUMBER),
        ("model_output", "rewards/total", Kind.NUMBER),
        ("pipeline", "sinks/jsonl/dropped", Kind.INTEGER),
        ("pipeline", "sinks/jsonl/dropped/queue_full", Kind.INTEGER),
        ("run_started", "versions/torch", Kind.TEXT),
        ("run_started", "hyperparameters/beta", None),
        ("probe", "exception/frames", Kind.TEXTS),
        ("probe", "rewards/a", None),
    ],
)
def test_families(event_type: str, name: str, kind: Kind | None) -> None:
    """A `*` matches any text, including slashes, and the longest matching family is used."""
    assert kind == declared_kind(event_type, name)


GOOD = [
    make_event(),
    make_event(x=1.5, y=[1.0, None], z=["a"], extras="{}", nonfinite={"x": "NaN"}),
    make_event("training", loss=None, step=3, mode="train"),
    make_event("training", loss=1, **{"rewards/a/mean": 0.5}),
    make_event("reward", **{"rewards/a": [1, None], "rewards/a/mean": 1, "rewards/b/c": []}),
    make_event("model_output", **{"rewards/a": 1.0, "rewards/total": None}),
    make_event("checkpoint", **{"exception/frames": ["a"]}),
]
BAD = {
    "no seq": {k: v for k, v in make_event().items() if k != "seq"},
    "no step": {k: v for k, v in make_event().items() if k != "step"},
    "step as text": make_event(step="3"),
    "step as bool": make_event(step=True),
    "step with a fraction": make_event(step=0.5),
    "unknown level": make_event(level="loud"),
    "unknown mode": make_event(mode="test"),
    "loss as text": make_event("training", loss="0.5"),
    "loss as a list": make_event("training", loss=[0.5]),
    "truncated as a number": make_event("model_output", truncated=1),
    "rewards of a completion as a list": make_event("model_output", **{"rewards/a": [1.0]}),
    "rewards of a batch as a number": make_event("reward", **{"rewards/a": 1.0}),
    "a mean as a list": make_event("reward", **{"rewards/a/mean": [1.0]}),
    "text among rewards": make_event("reward", **{"rewards/a": ["1"]}),
    "a nested mapping": make_event(x={"a": 1}),
    "a nested list": make_event(x=[[1]]),
    "extras as a mapping": make_event(extras={"a": 1}),
    "frames as text": make_event("training", **{"exception/frames": "a"}),
    "not an object": [make_event()],
}


@pytest.mark.parametrize("event", GOOD)
def test_the_schema_accepts(event: dict[str, Any]) -> None:
    """Valid events pass the validation."""
    assert [] == [error.message for error in VALIDATOR.iter_errors(event)]


@pytest.mark.parametrize("reason", BAD)
def test_the_schema_rejects(reason: str) -> None:
    """Invalid events don't pass the validation."""
    assert not VALIDATOR.is_valid(BAD[reason])


def test_the_schema_carries_units_and_descriptions() -> None:
    """The schema of a field has the description and unit of the catalogue."""
    field = SCHEMA["$defs"]["system"]["properties"]["process_memory_bytes"]

    assert {
        "description": "resident memory of the process",
        "unit": "bytes",
    }.items() <= field.items()


def test_the_pipelines_own_events_are_valid() -> None:
    """`run_started`, `run_finished` and `pipeline` are valid, and only have declared fields."""
    with capture_events() as events:
        pass

    assert ["run_started", "run_finished", "pipeline"] == [event["event"] for event in events]
    assert [] == [error.message for e in events for error in VALIDATOR.iter_errors(dict(e))]
    for event in events:
        known = {*declared_columns(event["event"]), "nonfinite", *EXCEPTION_FAMILIES}
        undeclared = {n for n in event if n not in known and not declared_kind(event["event"], n)}
        assert set() == undeclared


def test_the_base_class_is_not_a_type() -> None:
    """The class of the reserved names is not in the catalogue."""
    assert EventBase not in CATALOGUE.values()
