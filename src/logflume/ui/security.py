"""Guards every request: what a page elsewhere, or a person elsewhere, must not reach.

What a run contains is hostile: prompts, completions, names and tags come from a model or from
somebody else. The page inserts them as text only; the content security policy is the second
barrier, which allows no script, style or connection but those of this server.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any, TypeAlias
from urllib.parse import parse_qs

__all__ = ["LOCAL_HOSTS", "Guard"]

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Message, Receive, Send], Awaitable[None]]

LOCAL_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})

_COOKIE = "logflume_token"

_HEADERS = [
    (
        b"content-security-policy",
        b"default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; "
        b"frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
]


class Guard:
    """ASGI middleware that refuses requests before they reach the application.

    - Only GET and HEAD are answered, so nothing can be changed.
    - Without a token, `Host` must be a name of this machine: a page elsewhere whose name was
      changed to point here (DNS rebinding) reads nothing.
    - With a token, every request needs it: in the query of the printed URL, which is exchanged for
      a cookie and leaves the address bar.

    Args:
        app: The application.
        token: The token, where the server can be reached from elsewhere; None: this machine only.
    """

    def __init__(self, app: App, token: str | None = None) -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, _with_headers(send))

    async def _answer(self, scope: Message, receive: Receive, send: Send) -> None:
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        if scope["method"] not in ("GET", "HEAD"):
            await _refuse(send, 405, "only GET is allowed")
        elif headers.get(b"sec-fetch-site") == "cross-site" and scope["path"] != "/":
            await _refuse(send, 403, "requests of other pages are not answered")
        elif self._token is None:
            if _host_name(headers.get(b"host", "")) in LOCAL_HOSTS:
                await self._app(scope, receive, send)
            else:
                await _refuse(send, 403, "this server answers to 127.0.0.1 and localhost only")
        else:
            await self._check_token(self._token, scope, headers, receive, send)

    async def _check_token(
        self,
        token: str,
        scope: Message,
        headers: dict[bytes, str],
        receive: Receive,
        send: Send,
    ) -> None:
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[-1]
        if _is_equal(_read_cookie(headers.get(b"cookie", "")), token):
            await self._app(scope, receive, send)
        elif _is_equal(given, token):
            cookie = f"{_COOKIE}={token}; HttpOnly; SameSite=Strict; Path=/"
            await _respond(
                send, 303, "", [(b"location", b"/"), (b"set-cookie", cookie.encode("latin-1"))]
            )
        else:
            await _refuse(send, 403, "open the URL that `logflume ui` printed: it has a token")


def _host_name(host: str) -> str:
    """Return the name in a `Host` header, without the port."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] or host


def _read_cookie(header: str) -> str:
    try:
        morsel = SimpleCookie(header).get(_COOKIE)
    except CookieError:
        return ""
    return morsel.value if morsel else ""


def _is_equal(given: str, token: str) -> bool:
    return secrets.compare_digest(given.encode(errors="replace"), token.encode())


def _with_headers(send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [*message.get("headers", ()), *_HEADERS]
            if all(name != b"cache-control" for name, _ in headers):
                # A browser checks a file before it uses its copy, so that an update is seen.
                headers.append((b"cache-control", b"no-cache"))
            message["headers"] = headers
        await send(message)

    return send_with_headers


async def _refuse(send: Send, status: int, reason: str) -> None:
    await _respond(send, status, reason + "\n", [])


async def _respond(send: Send, status: int, text: str, headers: list[tuple[bytes, bytes]]) -> None:
    kind = (b"content-type", b"text/plain; charset=utf-8")
    await send({"type": "http.response.start", "status": status, "headers": [kind, *headers]})
    await send({"type": "http.response.body", "body": text.encode()})
