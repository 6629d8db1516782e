"""The application: a route for each kind of answer, and the files of the page."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias, cast

import anyio.to_thread
from starlette.applications import Starlette
from starlette.datastructures import QueryParams
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from logflume.exceptions import LogflumeError, QueryError, RunError
from logflume.guard import Failure, call_guarded, describe
from logflume.query.open_run import Run
from logflume.query.solved import UnmeasuredError
from logflume.query.visits import Mode
from logflume.ui.answers import Answers
from logflume.ui.curves import read_axes
from logflume.ui.encoding import encode
from logflume.ui.memory import release_memory
from logflume.ui.output_filter import OutputFilter
from logflume.ui.prompt_lists import PromptList, read_common_prompts, read_prompt_list
from logflume.ui.reward_shares import read_reward_shares
from logflume.ui.rollout_answers import RolloutAnswers
from logflume.ui.run_folders import RunFolders, UnknownRunError
from logflume.ui.search import Place, search_run
from logflume.ui.security import Guard

__all__ = ["create_app"]

_STATIC = Path(__file__).parent / "static"

_THREADS = 4
"""Queries that run at a time: few, because each may hold the completions of a step in memory."""

_MAX_PROMPTS = 2_000
_MAX_COMMON = 200
_MAX_NAMES = 200
_MAX_RUNS = 20

_MAX_INTEGER = 2**63 - 1

_HEADERS = {"cache-control": "no-store"}
_EVENT_STREAM = "text/event-stream"

Answer: TypeAlias = Callable[[QueryParams], Any]
Endpoint: TypeAlias = Callable[[Request], Response]


def create_app(folders: Sequence[Path], token: str | None = None) -> ASGIApp:
    """Return the ASGI application that serves the page.

    Args:
        folders: Runs and folders of runs. Nothing else is read, and nothing is written.
        token: The token that every request must have if other machines can reach the server; None:
            no token.
    """
    answers = Answers(RunFolders(folders))
    routes = [
        Route(f"/api/{name}", _route(_salvaging(answer, answers.folders)))
        for name, answer in _answers(answers).items()
    ]
    routes.append(Route("/api/search", _streaming_route(partial(_search, answers.folders))))
    pages = Mount("/", StaticFiles(directory=_STATIC, html=True))
    app = Starlette(routes=[*routes, pages], lifespan=_limit_threads)
    app.add_middleware(GZipMiddleware, minimum_size=1_000, compresslevel=5)
    return Guard(app, token)


def _answers(answers: Answers) -> dict[str, Answer]:
    """Return the functions that answer requests, by the name in the URL."""

    def run(query: QueryParams) -> Run:
        return answers.folders.open(_text(query, "run"))

    def runs(query: QueryParams) -> dict[str, Run]:
        return {name: answers.folders.open(name) for name in query.getlist("run")[:_MAX_RUNS]}

    def rollouts(query: QueryParams) -> RolloutAnswers:
        return RolloutAnswers(run(query), _number(query, "solved"))

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
        "columns": lambda q: rollouts(q).columns(_integer(q, "step")),
        "outputs": lambda q: rollouts(q).by_id(q.getlist("id")),
        "tokens": lambda q: rollouts(q).tokens(_text(q, "id"), _integer(q, "step")),
        "reward_shares": lambda q: read_reward_shares(run(q)),
        "prompts": _measured(lambda q: read_prompt_list(run(q), _prompts(q))),
        "common_prompts": _measured(
            lambda q: read_common_prompts(runs(q), _number(q, "solved"), _MAX_COMMON)
        ),
        "prompt": lambda q: rollouts(q).prompt(_text(q, "prompt")),
        "pass_at": _measured(lambda q: rollouts(q).pass_at([_integer(q, "k", 1)])),
        "text": lambda q: PlainTextResponse(
            rollouts(q).text(_integer(q, "step"), _text(q, "id"), _text(q, "field"))
        ),
    }


def _search(folders: RunFolders, query: QueryParams) -> Iterator[Any]:
    """Yield what a search of a whole run finds, as soon as it is found."""
    step = _integer(query, "last") if query.get("last") else None
    place = Place(step, max(0, _integer(query, "skip", 0)))
    name = _text(query, "run")
    damage = folders.find_damage(name)
    try:
        for piece in search_run(folders.open(name), _filter(query), place):
            yield piece if damage is None else {**piece, "damage": damage}
            place = place.after(piece["hits"])
    except RunError as error:
        # Damage may be found only after many steps. The search continues there, in what is left.
        if damage is not None or not folders.note_damage(name, str(error)):
            raise
        damage = folders.find_damage(name)
        for piece in search_run(folders.open(name), _filter(query), place):
            yield {**piece, "damage": damage}


@asynccontextmanager
async def _limit_threads(_: Starlette) -> AsyncIterator[None]:
    anyio.to_thread.current_default_thread_limiter().total_tokens = _THREADS
    yield


def _measured(answer: Answer) -> Answer:
    """Return an answer that says if it is unknown which completions solve their prompt.

    That is no error: the page shows how many of how many (`count`) are `unmeasured`, and the range
    of total `rewards` in which to choose a threshold.
    """

    def measured(query: QueryParams) -> Any:
        try:
            return answer(query)
        except UnmeasuredError as error:
            names = ("unmeasured", "count", "rewards")
            return {"unmeasured": {name: getattr(error, name) for name in names}}

    return measured


def _salvaging(answer: Answer, folders: RunFolders) -> Answer:
    """Return an answer that is computed from what is left of a run if it is damaged."""

    def salvaging(query: QueryParams) -> Any:
        runs = query.getlist("run")
        try:
            result = answer(query)
        except UnknownRunError:
            raise
        except RunError as error:
            noted = [folders.note_damage(run, str(error)) for run in runs]
            if not any(noted):
                raise
            result = answer(query)
        damages = [damage for run in runs if (damage := folders.find_damage(run)) is not None]
        return {**result, "damage": damages[0]} if damages and isinstance(result, dict) else result

    return salvaging


def _route(answer: Answer) -> Endpoint:
    """Return an endpoint. It is a plain function, so it runs in a thread."""

    def endpoint(request: Request) -> Response:
        # Guarded: files of somebody else may have values that no reader expects. The page shows
        # one line, and the other views still work.
        start_s = time.process_time()
        result = call_guarded(answer, request.query_params)
        release_memory()
        if isinstance(result, Response):
            return result
        if isinstance(result, Failure):
            return _error(result)
        response = _json(result, 200)
        # The page repeats costly requests less often. What slows training down is the CPU time,
        # which includes that of answers computed meanwhile.
        cpu_ms = (time.process_time() - start_s) * 1e3
        response.headers["server-timing"] = f"cpu;dur={cpu_ms:.1f}"
        return response

    return endpoint


def _streaming_route(answer: Callable[[QueryParams], Iterator[Any]]) -> Endpoint:
    """Return an endpoint that sends each of several answers as soon as it is known.

    They are server-sent events, which nothing on the way holds back. Once the client disconnects,
    no further answer is computed.
    """

    def endpoint(request: Request) -> Response:
        answers = answer(request.query_params)
        # The first answer is computed before anything is sent, so that an error has a status.
        first = call_guarded(lambda: list(islice(answers, 1)))
        if isinstance(first, Failure):
            return _error(first)
        return StreamingResponse(
            _events(first, answers), headers=_HEADERS, media_type=_EVENT_STREAM
        )

    return endpoint


def _events(first: Sequence[Any], rest: Iterator[Any]) -> Iterator[bytes]:
    known = [*first]
    while known:
        yield b"data: " + encode(known[0]) + b"\n\n"
        following = call_guarded(lambda: list(islice(rest, 1)))
        release_memory()
        if isinstance(following, Failure):
            yield b"data: " + encode({"error": _explain(following.error)}) + b"\n\n"
            return
        known = following


def _error(failure: Failure) -> Response:
    return _json({"error": _explain(failure.error)}, _status(failure.error))


def _json(answer: Any, status: int) -> Response:
    return Response(encode(answer), status, _HEADERS, media_type="application/json")


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
        raise QueryError(f"{name}={str(value)[:100]}: expected a number") from None


def _integer(query: QueryParams, name: str, default: int | None = None) -> int:
    if default is not None and not query.get(name):
        return default
    value = _text(query, name)
    try:
        number = int(value)
    except ValueError:
        raise QueryError(f"{name}={value[:100]}: expected an integer") from None
    if not -_MAX_INTEGER <= number <= _MAX_INTEGER:
        raise QueryError(f"{name}={value[:100]}: no step or count is that large")
    return number


def _prompts(query: QueryParams) -> PromptList:
    return PromptList(
        solved=_number(query, "solved"),
        mode=cast("Mode | None", query.get("mode") or None),
        between=_between(query),
        change=query.get("change") or None,
        search=query.get("search") or None,
        order=query.get("order") or "-visits",
        offset=_integer(query, "offset", 0),
        limit=min(_MAX_PROMPTS, _integer(query, "limit", 100)),
    )


def _between(query: QueryParams) -> tuple[int, int] | None:
    if not query.get("first") or not query.get("last"):
        return None
    return _integer(query, "first"), _integer(query, "last")
