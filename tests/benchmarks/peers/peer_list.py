"""The peers by name. Their modules import the libraries, so each is imported only when used."""

from __future__ import annotations

import importlib
import importlib.metadata
from typing import Any, NamedTuple, cast

from tests.benchmarks.peers.protocol import Peer

__all__ = [
    "BASELINE",
    "OURS",
    "PEERS",
    "STRUCTLOG",
    "TARGET_PEERS",
    "WRITER",
    "PeerSpec",
    "make",
    "version",
]

BASELINE = "orjson into a file"
OURS = "logflume"
STRUCTLOG = "structlog"
WRITER = "torch SummaryWriter"

TARGET_PEERS = frozenset({STRUCTLOG, WRITER})
"""The peers that a target compares with, apart from the baseline."""


class PeerSpec(NamedTuple):
    """How to import, create and describe a peer.

    Attributes:
        class_path: `module:Class`, the module within this package.
        package: The distribution whose version is reported.
        imports: The modules that a program which uses it imports.
        options: The keyword arguments of its class.
        no_completions: Why it can't log texts; empty if it can.
    """

    class_path: str
    package: str
    imports: str
    options: dict[str, Any] = {}
    no_completions: str = ""


PEERS = {
    BASELINE: PeerSpec("baseline:Baseline", "orjson", "orjson"),
    OURS: PeerSpec("all_sinks:AllSinks", "logflume", "logflume"),
    STRUCTLOG: PeerSpec("structlog_json:StructlogJson", "structlog", "structlog, orjson"),
    "python-json-logger, queue": PeerSpec(
        "json_logger:JsonLogger",
        "python-json-logger",
        "logging.handlers, pythonjsonlogger.orjson",
    ),
    "loguru": PeerSpec("loguru_json:LoguruJson", "loguru", "loguru", {"enqueue": False}),
    "loguru, enqueue": PeerSpec("loguru_json:LoguruJson", "loguru", "loguru", {"enqueue": True}),
    "trackio": PeerSpec("trackio_local:TrackioLocal", "trackio", "trackio"),
    "SwanLab offline": PeerSpec("swanlab_offline:SwanLabOffline", "swanlab", "swanlab"),
    "wandb offline": PeerSpec("wandb_offline:WandbOffline", "wandb", "wandb"),
    "Aim": PeerSpec("aim_repo:AimRepo", "aim", "aim"),
    "MLflow, async": PeerSpec("mlflow_sqlite:MlflowSqlite", "mlflow", "mlflow", {"is_async": True}),
    WRITER: PeerSpec("summary_writer:TorchWriter", "torch", "torch.utils.tensorboard"),
    "tensorboardX": PeerSpec("summary_writer:XWriter", "tensorboardX", "tensorboardX"),
    "MLflow": PeerSpec("mlflow_sqlite:MlflowSqlite", "mlflow", "mlflow", {"is_async": False}),
    "DVCLive": PeerSpec(
        "dvclive_files:DvcliveFiles",
        "dvclive",
        "dvclive",
        no_completions="no API for texts (metrics, images, plots and artifacts only)",
    ),
}
"""Ordered roughly by the cost of a call, which makes plots easier to read."""


def make(name: str) -> Peer:
    """Import a peer's libraries and return the peer, not opened.

    Raises:
        ImportError: Its library is not installed or doesn't support this version of Python.
    """
    spec = PEERS[name]
    module, _, cls = spec.class_path.partition(":")
    loaded = importlib.import_module(f"tests.benchmarks.peers.{module}")
    return cast(Peer, getattr(loaded, cls)(**spec.options))


def version(name: str) -> str | None:
    """Return the version of a peer's library; None if it is not installed."""
    try:
        return importlib.metadata.version(PEERS[name].package)
    except importlib.metadata.PackageNotFoundError:
        return None
