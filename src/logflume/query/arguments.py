"""Checks of the arguments of queries, so that a wrong type is an error in the caller's terms."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import wraps
from inspect import Parameter, signature
from numbers import Integral, Real
from types import NoneType
from typing import Any, ParamSpec, TypeVar

from logflume.config.errors import suggest
from logflume.exceptions import ArgumentError, QueryError

__all__ = ["checked"]

P = ParamSpec("P")
T = TypeVar("T")


def _is_list(value: Any, of: type) -> bool:
    is_list = isinstance(value, Collection) and not isinstance(value, (str, bytes))
    return is_list and all(isinstance(item, of) for item in value)


_CHECKS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "int": ("a whole number", lambda value: isinstance(value, Integral)),
    "float": ("a number", lambda value: isinstance(value, Real)),
    "str": ("a string", lambda value: isinstance(value, str)),
    "bool": ("True or False", lambda value: isinstance(value, (bool, Integral))),
    "None": ("None", lambda value: isinstance(value, NoneType)),
    "Sequence[str]": (  # a single name is one of them
        "a list of names, such as ['step']",
        lambda value: isinstance(value, str) or _is_list(value, str),
    ),
    "Sequence[int]": ("a list of whole numbers", lambda value: _is_list(value, Integral)),
}
"""What is expected, and the check, for each part of an annotation. Queries check other types."""


_CHECKED_ELSEWHERE = {"search"}
"""Arguments whose errors say more: what looks like a pattern."""


def checked(query: Callable[P, T]) -> Callable[P, T]:
    """Return a query that checks the names of its arguments, and their types by their annotations.

    Raises:
        ArgumentError: Of the query: there is no such argument, or it has another type.
        QueryError: Of the query: an argument is missing, or there are too many.
    """
    expected = signature(query)
    parameters = expected.parameters
    names = [name for name in parameters if name != "self"]
    checks = {
        name: [_CHECKS[part] for part in parts]
        for name, parameter in parameters.items()
        if name not in _CHECKED_ELSEWHERE
        and _CHECKS.keys() >= set(parts := str(parameter.annotation).split(" | "))
    }
    positional = [
        name for name, one in parameters.items() if one.kind is not Parameter.KEYWORD_ONLY
    ]
    last = parameters[positional[-1]]
    variadic = last.name if last.kind is Parameter.VAR_POSITIONAL else None

    @wraps(query)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        for name in kwargs:
            if name not in names:
                problem = f"there is no such argument; {suggest(name, names)}"
                raise ArgumentError(query.__name__, name, kwargs[name], problem)
        try:
            expected.bind(*args, **kwargs)
        except TypeError as error:  # the query's own would name the class that has it
            raise QueryError(f"{query.__name__}: {error}") from None
        given = [*zip(positional, args, strict=False), *kwargs.items()]
        given += [(str(variadic), value) for value in args[len(positional) :]]
        for name, value in given:
            if name in checks and not any(check(value) for _, check in checks[name]):
                words = [word for word, _ in checks[name]]
                raise ArgumentError(query.__name__, name, value, f"expected {' or '.join(words)}")
        return query(*args, **kwargs)

    return run
