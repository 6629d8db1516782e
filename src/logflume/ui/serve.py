"""Serves the page until it is interrupted."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import uvicorn

from logflume.exceptions import RunError
from logflume.ui.app import create_app
from logflume.ui.memory import use_little_memory
from logflume.ui.security import LOCAL_HOSTS

__all__ = ["serve"]


_NICENESS = 10
"""A training on the same machine takes precedence over the server."""


def serve(
    folders: Sequence[Path],
    *,
    host: str,
    port: int,
    view: str,
    announce: Callable[[str], None],
) -> None:
    """Serve the page until SIGINT or SIGTERM.

    Args:
        folders: Runs and folders of runs.
        host: The address to bind to. Unless only this machine can reach it, requests need a token.
        port: The port; 0: any free one.
        view: The view that the URL opens, such as `#/run/…`.
        announce: Called with the URL once the server accepts connections.

    Raises:
        RunError: The address can't be bound.
    """
    use_little_memory()
    os.nice(_NICENESS)
    token = None if host in LOCAL_HOSTS else secrets.token_urlsafe(16)
    with _bind(host, port) as bound:
        config = uvicorn.Config(
            create_app(folders, token),
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=1,
        )
        name = socket.gethostname() if host in ("0.0.0.0", "::") else host
        name = f"[{name}]" if ":" in name else name
        query = f"?token={token}" if token else ""
        announce(f"http://{name}:{bound.getsockname()[1]}/{query}{view}")
        with suppress(KeyboardInterrupt):  # uvicorn raises it again once it has shut down
            uvicorn.Server(config).run(sockets=[bound])


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio sends small writes at once (TCP_NODELAY). Otherwise the
    # content of each answer waits 40 ms for the browser to acknowledge the header.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen(128)
    except OSError as error:
        bound.close()
        raise RunError(
            f"{host}:{port} can't be used: {error.strerror}. Try another --port, or --port 0."
        ) from error
    return bound
