"""A server of the page as the command starts it, with what its answers cost."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

import httpx
import psutil

__all__ = ["Answer", "Server", "serve"]

_TIMEOUT_S = 120.0


class Answer(NamedTuple):
    """What an answer cost.

    Attributes:
        wall_s: From the request to the last byte.
        cpu_s: CPU time of the server, user and system, of all threads.
        wire_bytes: Bytes of the content as it was sent: compressed.
        content: The content, decompressed.
    """

    wall_s: float
    cpu_s: float
    wire_bytes: int
    content: bytes

    def json(self) -> Any:
        """Return the content as JSON."""
        return json.loads(self.content)


class Server:
    """A running server.

    Args:
        process: Its process.
        address: Its address, without the view.
    """

    def __init__(self, process: psutil.Process, address: str) -> None:
        self.process = process
        self.address = address
        self._client = httpx.Client(base_url=address, timeout=_TIMEOUT_S)

    def get(self, path: str, **query: Any) -> Answer:
        """Request a file of the page, or an answer of `api/`."""
        with self.measured() as measured:
            wire_bytes, content = self._read(path, query)
        return Answer(measured[0], measured[1], wire_bytes, content)

    @contextmanager
    def measured(self) -> Iterator[list[float]]:
        """Yield a list that holds wall and CPU time of the block, in seconds, once it is over."""
        found: list[float] = []
        start_s, cpu_s = time.perf_counter(), self._cpu_s()
        yield found
        found += [time.perf_counter() - start_s, self._cpu_s() - cpu_s]

    def peak_bytes(self) -> int:
        """Return the peak of the server's resident memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        peak = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
        return 0 if peak is None else int(peak[1]) * 1024

    def _read(self, path: str, query: dict[str, Any]) -> tuple[int, bytes]:
        with self._client.stream("GET", path, params=urlencode(query, doseq=True)) as response:
            content = response.read()
            response.raise_for_status()
            return response.num_bytes_downloaded, content

    def _cpu_s(self) -> float:
        times = self.process.cpu_times()
        return float(times.user + times.system)


@contextmanager
def serve(*folders: Path) -> Iterator[Server]:
    """Start a server on folders for the duration of the block; it has answered nothing before."""
    command = [sys.executable, "-m", "logflume", "ui", *map(str, folders), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            lines = process.stdout or ()
            url = next(line for line in lines if line.startswith("http"))
            yield Server(psutil.Process(process.pid), f"http://{urlsplit(url).netloc}/")
        finally:
            process.terminate()
