"""Hyperparameters for TensorBoard's HPARAMS tab.

The plugin reads them from the metadata of three tags, and of each tag only the first value in a
folder: a continued run is shown with the hyperparameters and the status of its first attempt.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.types_pb2 import DT_FLOAT
from tensorboard.plugins.hparams import api_pb2 as api
from tensorboard.plugins.hparams.plugin_data_pb2 import (
    HParamsPluginData,
    SessionEndInfo,
    SessionStartInfo,
)

from logflume.events.trainer_names import hyperparameters_of, main_hyperparameters
from logflume.protocols import Event

from .summaries import plugin_metadata

__all__ = ["Session", "session_end"]

_TRAINER = "training"
_MAX_CHOSEN = 6
_METRICS = (
    "train/reward",
    "rewards/total/mean",
    "train/rewards/margins",
    "train/rewards/accuracies",
    "train/loss",
    "train/mean_token_accuracy",
    "train/accuracy",
)
"""The metrics of the table, if the run has them."""

_OF_EVALUATIONS = ("reward", "loss")
_WAIT_STEPS = 2
_TYPES = {bool: api.DATA_TYPE_BOOL, float: api.DATA_TYPE_FLOAT64, str: api.DATA_TYPE_STRING}

Hyperparameter = bool | float | str


@dataclass
class Session:
    """The hyperparameters of a run, and its metrics known so far.

    The page shows a column for each metric that is listed, even if no run has it. So the session is
    written once the first step has shown which metrics there are. Of a trainer's many
    hyperparameters the table has the six that matter most; those that the user gives to logflume
    are all shown.

    Args:
        run_id: Id of the run.

    Attributes:
        is_written: Whether it is in the file.
    """

    run_id: str
    is_written: bool = False
    _hyperparameters: dict[str, Hyperparameter] = field(default_factory=dict)
    _tags: set[str] = field(default_factory=set)
    _steps: int = 0
    _started_s: float = 0.0
    _is_evaluated: bool = False

    @property
    def is_pending(self) -> bool:
        """Whether there is something to write."""
        return bool(self._hyperparameters) and not self.is_written

    def copy(self) -> Session:
        """Return a copy to add to, which leaves this one unchanged."""
        known = dict(self._hyperparameters)
        return replace(self, _hyperparameters=known, _tags=set(self._tags))

    def start(self, event: Event, wall_time_s: float) -> None:
        """Add the hyperparameters of a `run_started` event; the trainer's event follows the user's.

        Where the two differ, the value is the trainer's: the run is made with it.
        """
        own = hyperparameters_of(event)
        if own.get("eval_strategy", "no") != "no":
            self._is_evaluated = True
        if event.get("logger") == _TRAINER:
            known = {name: own[name] for name in self._hyperparameters if name in own}
            own = {**main_hyperparameters(own, _MAX_CHOSEN), **known}
        if own:
            self._started_s = self._started_s or wall_time_s
        for name, value in own.items():
            self._hyperparameters[name] = _supported_value(value)

    def end_step(self, tags: Iterable[str]) -> bytes:
        """Return the session as a serialized `Summary` if its metrics are known; else nothing.

        Args:
            tags: The tags of the numbers of a step.
        """
        self._tags.update(tags)
        self._steps += bool(self._tags)
        is_known = not self._tags.isdisjoint(_METRICS)
        return self.take() if is_known or self._steps >= _WAIT_STEPS else b""

    def take(self) -> bytes:
        """Return the session as a serialized `Summary`."""
        if not self.is_pending:
            return b""
        self.is_written = True
        start = SessionStartInfo(group_name=self.run_id, start_time_secs=self._started_s)
        for name, value in self._hyperparameters.items():
            _set_value(start.hparams[name], value)
        experiment = _experiment(self._hyperparameters, self._metrics(), self._started_s)
        values = [
            _value("experiment", HParamsPluginData(experiment=experiment)),
            _value("session_start_info", HParamsPluginData(session_start_info=start)),
        ]
        return bytes(Summary(value=values).SerializeToString())

    def _metrics(self) -> list[str]:
        known = [tag for tag in _METRICS if tag in self._tags]
        if "train/reward" in known and "rewards/total/mean" in known:
            known.remove("rewards/total/mean")  # the same numbers
        if self._is_evaluated:
            known += [f"eval/{n}" for n in _OF_EVALUATIONS if f"train/{n}" in self._tags]
        return known


def session_end(event: Event, wall_time_s: float) -> bytes:
    """Return the end of the session as a serialized `Summary`.

    A `run_finished` event with the status "finished" is a success, any other a failure.
    """
    succeeded = event.get("status") == "finished"
    status = api.STATUS_SUCCESS if succeeded else api.STATUS_FAILURE
    end = SessionEndInfo(status=status, end_time_secs=wall_time_s)
    value = _value("session_end_info", HParamsPluginData(session_end_info=end))
    return bytes(Summary(value=[value]).SerializeToString())


def _supported_value(value: object) -> Hyperparameter:
    if isinstance(value, bool | float | str):
        return value
    return float(value) if isinstance(value, int) else json.dumps(value)


def _set_value(target: object, value: Hyperparameter) -> None:
    # A `google.protobuf.Value` has one field per type, and would accept a bool as a number.
    field = {bool: "bool_value", float: "number_value", str: "string_value"}[type(value)]
    setattr(target, field, value)


def _experiment(
    hyperparameters: Mapping[str, Hyperparameter], metrics: Sequence[str], wall_time_s: float
) -> api.Experiment:
    # No domains: TensorBoard applies the experiment of one run to all runs in its `--logdir`, and
    # the values of this run don't limit theirs.
    return api.Experiment(
        time_created_secs=wall_time_s,
        hparam_infos=[
            api.HParamInfo(name=name, type=_TYPES[type(value)])
            for name, value in hyperparameters.items()
        ],
        metric_infos=[api.MetricInfo(name=api.MetricName(tag=tag)) for tag in metrics],
    )


def _value(name: str, data: HParamsPluginData) -> Summary.Value:
    return Summary.Value(
        tag=f"_hparams_/{name}",
        metadata=plugin_metadata("hparams", data.SerializeToString()),
        # The plugin only reads the metadata, but a value needs a tensor, so it gets an empty one.
        tensor=TensorProto(
            dtype=DT_FLOAT, tensor_shape=TensorShapeProto(dim=[TensorShapeProto.Dim(size=0)])
        ),
    )
