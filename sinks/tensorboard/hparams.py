"""Hyperparameters for TensorBoard's HPARAMS tab.

The plugin reads them from the metadata of three tags, and of each tag only the first value in a
folder: a continued run is shown with the hyperparameters and the status of its first attempt.
"""

from __future__ import annotations

import json

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

from logflume.protocols import Event

from .summaries import plugin_metadata

__all__ = ["session_end", "session_start"]

_PREFIX = "hyperparameters/"
_METRICS = ("train/reward", "rewards/total/mean", "train/loss", "eval/reward", "eval/loss")
_TYPES = {bool: api.DATA_TYPE_BOOL, float: api.DATA_TYPE_FLOAT64, str: api.DATA_TYPE_STRING}

Hyperparameter = bool | float | str


def session_start(event: Event, run_id: str, wall_time_s: float) -> bytes:
    """Return the experiment and the start of its session as a serialized `Summary`.

    It is empty if the event (`run_started`) has no hyperparameters.
    """
    hyperparameters = {
        name.removeprefix(_PREFIX): _supported_value(value)
        for name, value in event.items()
        if name.startswith(_PREFIX) and value is not None
    }
    if not hyperparameters:
        return b""
    start = SessionStartInfo(group_name=run_id, start_time_secs=wall_time_s)
    for name, value in hyperparameters.items():
        _set_value(start.hparams[name], value)
    experiment = _experiment(hyperparameters, wall_time_s)
    values = [
        _value("experiment", HParamsPluginData(experiment=experiment)),
        _value("session_start_info", HParamsPluginData(session_start_info=start)),
    ]
    return bytes(Summary(value=values).SerializeToString())


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


def _experiment(hyperparameters: dict[str, Hyperparameter], wall_time_s: float) -> api.Experiment:
    # No domains: TensorBoard applies the experiment of one run to all runs in its `--logdir`, and
    # the values of this run don't limit theirs.
    return api.Experiment(
        time_created_secs=wall_time_s,
        hparam_infos=[
            api.HParamInfo(name=name, type=_TYPES[type(value)])
            for name, value in hyperparameters.items()
        ],
        metric_infos=[api.MetricInfo(name=api.MetricName(tag=tag)) for tag in _METRICS],
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
