"""The application: a route for each kind of answer, and the files of the page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import anyio.to_thread
from starlette.applications import Starlette
from starlette.datastructures import QueryParams
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from logflume.exceptions import LogflumeError, QueryError, RunError
from logflume.guard import Failure, call_guarded, describe
from logflume.query.open_run import Run
from logflume.ui.answers import Answers
from logflume.ui.axes import read_axes
from logflume.ui.encoding import encode
from logflume.ui.prompt_lists import PromptList, read_common_prompts, read_prompt_list
from logflume.ui.reward_shares import read_reward_shares
from logflume.ui.rollouts import OutputFilter, Rollouts
from logflume.ui.run_folders import RunFolders, UnknownRunError
from logflume.ui.security import App, Guard
from logflume.ui.tokens import read_tokens

__all__ = ["create_app"]

_STATIC = Path(__file__).parent / "static"

_THREADS = 4
"""Queries at a time. Each may take the memory of a step's completions, so they are few."""

_MAX_PROMPTS = 2_000
_MAX_COMMON = 200
_MAX_NAMES = 200
_MAX_RUNS = 20

Answer: TypeAlias = Callable[[QueryParams], Any]


def create_app(folders: Sequence[Path], token: str | None = None) -> App:
    """Return the ASGI application that serves the page.

    Args:
        folders: Runs and folders of runs. Nothing else is read, and nothing is written.
        token: What every request must have, where others can reach the server; None: no token.
    """
    routes = [Route(f"/api/{name}", _route(answer)) for name, answer in _answers(folders).items()]
    pages = Mount("/", StaticFiles(directory=_STATIC, html=True))
    app = Starlette(routes=[*routes, pages], lifespan=_limit_threads)
    app.add_middleware(GZipMiddleware, minimum_size=1_000, compresslevel=5)
    return Guard(app, token)


def _answers(folders: Sequence[Path]) -> dict[str, Answer]:
    """Return the function that answers each request, by name."""
    answers = Answers(RunFolders(folders))

    def run(query: QueryParams) -> Run:
        return answers.folders.open(_text(query, "run"))

    def runs(query: QueryParams) -> dict[str, Run]:
        return {name: answers.folders.open(name) for name in query.getlist("run")[:_MAX_RUNS]}

    def rollouts(query: QueryParams) -> Rollouts:
        return Rollouts(run(query), _number(query, "solved"))

    return {
        "runs": lambda _: answers.runs(),
        "versions": lambda q: answers.versions(q.getlist("run")[:_MAX_NAMES]),
        "run": lambda q: answers.run(_text(q, "run")),
        "curves": lambda q: answers.curves(_text(q, "run"), q.getlist("name")[:_MAX_NAMES]),
        "axes": lambda q: read_axes(run(q)),
        "alerts": lambda q: answers.alerts(_text(q, "run")),
        "ranks": lambda q: answers.ranks(_text(q, "run")),
        "steps": lambda q: rollouts(q).steps(),
        "groups": lambda q: rollouts(q).groups(_integer(q, "step"), _mode(q), _filter(q)),
        "group": lambda q: rollouts(q).group(_integer(q, "step"), _mode(q), _text(q, "group")),
        "search": lambda q: rollouts(q).search(_filter(q)),
        "columns": lambda q: rollouts(q).columns(_integer(q, "step")),
        "outputs": lambda q: rollouts(q).by_id(q.getlist("id")),
        "tokens": lambda q: read_tokens(run(q), _text(q, "id"), _integer(q, "step")),
        "reward_shares": lambda q: read_reward_shares(run(q)),
        "prompts": lambda q: read_prompt_list(run(q), _prompts(q)),
        "common_prompts": lambda q: read_common_prompts(runs(q), _number(q, "solved"), _MAX_COMMON),
        "prompt": lambda q: rollouts(q).prompt(_text(q, "prompt")),
        "pass_at": lambda q: rollouts(q).pass_at([int(_number(q, "k") or 1)]),
        "text": lambda q: PlainTextResponse(
            rollouts(q).text(_integer(q, "step"), _text(q, "id"), _text(q, "field"))
        ),
    }


@asynccontextmanager
async def _limit_threads(_: Starlette) -> AsyncIterator[None]:
    anyio.to_thread.current_default_thread_limiter().total_tokens = _THREADS
    yield


def _route(answer: Answer) -> Callable[[Request], Response]:
    """Return an endpoint. It is a plain function, so it runs in a thread."""

    def endpoint(request: Request) -> Response:
        # Guarded: somebody else's files may have values that no reader expects. The page shows
        # one line, and the other views go on.
        result = call_guarded(answer, request.query_params)
        if isinstance(result, Response):
            return result
        if isinstance(result, Failure):
            return _json({"error": _explain(result.error)}, _status(result.error))
        return _json(result, 200)

    return endpoint


def _json(answer: Any, status: int) -> Response:
    headers = {"cache-control": "no-store"}
    return Response(encode(answer), status, headers, media_type="application/json")


def _status(error: BaseException) -> int:
    if isinstance(error, UnknownRunError):
        return 404
    return 422 if isinstance(error, (RunError, QueryError)) else 500


def _explain(error: BaseException) -> str:
    return str(error) if isinstance(error, LogflumeError) else describe(error)


def _filter(query: QueryParams) -> OutputFilter:
    correct = query.get("correct")
    return OutputFilter(
        search=query.get("search") or None,
        regex=query.get("regex") == "1",
        reward=query.get("reward") or "rewards/total",
        min_reward=_number(query, "min"),
        max_reward=_number(query, "max"),
        correct=None if correct not in ("0", "1") else correct == "1",
        truncated=query.get("truncated") == "1",
        tool_failed=query.get("tool_failed") == "1",
        where=query.get("where") or None,
    )


def _text(query: QueryParams, name: str) -> str:
    value = query.get(name)
    if value is None:
        raise QueryError(f"the request needs {name}=…")
    return str(value)


def _mode(query: QueryParams) -> str:
    return query.get("mode") or "train"


def _number(query: QueryParams, name: str) -> float | None:
    value = query.get(name)
    try:
        return float(value) if value else None
    except ValueError:
        raise QueryError(f"{name}={value}: expected a number") from None


def _integer(query: QueryParams, name: str) -> int:
    value = _text(query, name)
    try:
        return int(value)
    except ValueError:
        raise QueryError(f"{name}={value}: expected an integer") from None


def _prompts(query: QueryParams) -> PromptList:
    return PromptList(
        solved=_number(query, "solved"),
        between=_between(query),
        change=query.get("change") or None,
        search=query.get("search") or None,
        order=query.get("order") or "-visits",
        offset=int(_number(query, "offset") or 0),
        limit=min(_MAX_PROMPTS, int(_number(query, "limit") or 100)),
    )


def _between(query: QueryParams) -> tuple[int, int] | None:
    if not query.get("first") or not query.get("last"):
        return None
    return _integer(query, "first"), _integer(query, "last")
