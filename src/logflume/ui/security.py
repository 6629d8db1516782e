"""Guards the server against other pages and other people.

The contents of a run are not trusted: prompts, completions, names and tags come from a model or
from somebody else. The page inserts them only as text. The content security policy is the second
barrier: it allows only scripts, styles and connections of this server.
"""

from __future__ import annotations

import secrets

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["LOCAL_HOSTS", "Guard"]

LOCAL_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})

_COOKIE = "logflume_token"

_HEADERS = {
    "content-security-policy": "default-src 'self'; object-src 'none'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


class Guard:
    """ASGI middleware that refuses requests before they reach the application.

    - Only GET and HEAD are answered, so nothing can be changed.
    - Without a token, `Host` must be a name of this machine. A foreign name that was changed to
      point here (DNS rebinding) gets no answer.
    - With a token, every request needs it. The printed URL has it in its query; the first request
      exchanges it for a cookie, so that it leaves the address bar.

    Args:
        app: The application.
        token: The token if other machines can reach the server; None: this machine only.
    """

    def __init__(self, app: ASGIApp, token: str | None = None) -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            answer = self._refuse(Request(scope)) or self._app
            await answer(scope, receive, _with_headers(send))

    def _refuse(self, request: Request) -> Response | None:
        """Return the response to a request that must not reach the application, else None."""
        if request.method not in ("GET", "HEAD"):
            return _refusal(405, "only GET is allowed")
        is_cross_site = request.headers.get("sec-fetch-site") == "cross-site"
        if is_cross_site and request.scope["path"] != "/":
            return _refusal(403, "requests from other pages are not answered")
        if self._token is None:
            if _host_name(request.headers.get("host", "")) in LOCAL_HOSTS:
                return None
            return _refusal(403, "this server answers to 127.0.0.1 and localhost only")
        if _is_equal(request.cookies.get(_COOKIE, ""), self._token):
            return None
        if _is_equal(request.query_params.get("token", ""), self._token):
            cookie = f"{_COOKIE}={self._token}; HttpOnly; SameSite=Strict; Path=/"
            return RedirectResponse("/", 303, {"set-cookie": cookie})
        return _refusal(403, "open the URL that `logflume ui` printed: it has a token")


def _refusal(status: int, reason: str) -> Response:
    return PlainTextResponse(f"{reason}\n", status)


def _host_name(host: str) -> str:
    """Return the name in a `Host` header, without the port."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] or host


def _is_equal(given: str, token: str) -> bool:
    return secrets.compare_digest(given.encode(errors="replace"), token.encode())


def _with_headers(send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.update(_HEADERS)
            # A browser checks a file before it uses its copy, so that an update is seen.
            headers.setdefault("cache-control", "no-cache")
        await send(message)

    return send_with_headers
