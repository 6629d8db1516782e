"""Hyperparameters for TensorBoard's HPARAMS tab.

The plugin reads them from the metadata of three tags, and of each tag only the first that a
folder ever got: a resumed run keeps the hyperparameters and the status of its first attempt there.
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
    """Return the experiment and the start of its session, as a serialised `Summary`.

    Empty when the event (`run_started`) has no hyperparameters.
    """
    hyperparameters = {
        name.removeprefix(_PREFIX): _plain(value)
        for name, value in event.items()
        if name.startswith(_PREFIX) and value is not None
    }
    if not hyperparameters:
        return b""
    start = SessionStartInfo(group_name=run_id, start_time_secs=wall_time_s)
    for name, value in hyperparameters.items():
        _fill(start.hparams[name], value)
    experiment = _experiment(hyperparameters, wall_time_s)
    values = [
        _value("experiment", HParamsPluginData(experiment=experiment)),
        _value("session_start_info", HParamsPluginData(session_start_info=start)),
    ]
    return bytes(Summary(value=values).SerializeToString())


def session_end(event: Event, wall_time_s: float) -> bytes:
    """Return the end of the session, as a serialised `Summary`.

    A `run_finished` event with the status "finished" is a success, any other a failure.
    """
    succeeded = event.get("status") == "finished"
    status = api.STATUS_SUCCESS if succeeded else api.STATUS_FAILURE
    end = SessionEndInfo(status=status, end_time_secs=wall_time_s)
    value = _value("session_end_info", HParamsPluginData(session_end_info=end))
    return bytes(Summary(value=[value]).SerializeToString())


def _plain(value: object) -> Hyperparameter:
    if isinstance(value, bool | float | str):
        return value
    return float(value) if isinstance(value, int) else json.dumps(value)


def _fill(target: object, value: Hyperparameter) -> None:
    # A `google.protobuf.Value` has one field a type, and takes Python's bool for a number too.
    field = {bool: "bool_value", float: "number_value", str: "string_value"}[type(value)]
    setattr(target, field, value)


def _experiment(hyperparameters: dict[str, Hyperparameter], wall_time_s: float) -> api.Experiment:
    # No domains: TensorBoard takes the experiment of one run for all runs below its `--logdir`, and
    # the values of this run are not the bounds of theirs.
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
        # The plugin reads the metadata only; an empty tensor makes it a value all the same.
        tensor=TensorProto(
            dtype=DT_FLOAT, tensor_shape=TensorShapeProto(dim=[TensorShapeProto.Dim(size=0)])
        ),
    )
