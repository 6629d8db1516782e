"""The peers by name. Their modules load the libraries, so only the chosen one is imported."""

from __future__ import annotations

import importlib
import importlib.metadata
from typing import Any, NamedTuple, cast

from tests.benchmarks.peers.protocol import Peer

__all__ = [
    "FLOOR",
    "OURS",
    "PEERS",
    "STRUCTLOG",
    "TARGET_PEERS",
    "WRITER",
    "JournalLine",
    "make",
    "version",
]

FLOOR = "orjson into a file"
OURS = "logflume"
STRUCTLOG = "structlog"
WRITER = "torch SummaryWriter"

TARGET_PEERS = frozenset({STRUCTLOG, WRITER})
"""Those that a target compares with, beside the floor."""


class JournalLine(NamedTuple):
    """Where a peer is found.

    Attributes:
        where: `module:Class`, the module within this package.
        package: The distribution whose version counts.
        imports: What a program that uses it imports.
        options: What its class is called with.
        no_completions: Why it can't log texts; empty if it can.
    """

    where: str
    package: str
    imports: str
    options: dict[str, Any] = {}
    no_completions: str = ""


PEERS = {
    FLOOR: JournalLine("floor:Floor", "orjson", "orjson"),
    OURS: JournalLine("all_sinks:AllSinks", "logflume", "logflume"),
    STRUCTLOG: JournalLine("structlog_json:StructlogJson", "structlog", "structlog, orjson"),
    "python-json-logger, queue": JournalLine(
        "json_logger:JsonLogger",
        "python-json-logger",
        "logging.handlers, pythonjsonlogger.orjson",
    ),
    "loguru": JournalLine("loguru_json:LoguruJson", "loguru", "loguru", {"enqueue": False}),
    "loguru, enqueue": JournalLine("loguru_json:LoguruJson", "loguru", "loguru", {"enqueue": True}),
    "trackio": JournalLine("trackio_local:TrackioLocal", "trackio", "trackio"),
    "SwanLab offline": JournalLine("swanlab_offline:SwanLabOffline", "swanlab", "swanlab"),
    "wandb offline": JournalLine("wandb_offline:WandbOffline", "wandb", "wandb"),
    "Aim": JournalLine("aim_repo:AimRepo", "aim", "aim"),
    "MLflow, async": JournalLine(
        "mlflow_sqlite:MlflowSqlite", "mlflow", "mlflow", {"is_async": True}
    ),
    WRITER: JournalLine("summary_writer:TorchWriter", "torch", "torch.utils.tensorboard"),
    "tensorboardX": JournalLine("summary_writer:XWriter", "tensorboardX", "tensorboardX"),
    "MLflow": JournalLine("mlflow_sqlite:MlflowSqlite", "mlflow", "mlflow", {"is_async": False}),
    "DVCLive": JournalLine(
        "dvclive_files:DvcliveFiles",
        "dvclive",
        "dvclive",
        no_completions="it has no call for texts (metrics, images, plots and artifacts only)",
    ),
}
"""In about the order of what a call costs: a plot of them is easier to follow."""


def make(name: str) -> Peer:
    """Import what the peer needs and return one, not opened.

    Raises:
        ImportError: Its library is not installed, or doesn't work on this Python.
    """
    entry = PEERS[name]
    module, _, cls = entry.where.partition(":")
    loaded = importlib.import_module(f"tests.benchmarks.peers.{module}")
    return cast(Peer, getattr(loaded, cls)(**entry.options))


def version(name: str) -> str | None:
    """Return the version of a peer's library; None if it is not installed."""
    try:
        return importlib.metadata.version(PEERS[name].package)
    except importlib.metadata.PackageNotFoundError:
        return None
