"""Every exception that logflume raises deliberately.

```text
LogflumeError
├── ConfigError          the configuration is invalid; the message says where and how to fix it
├── RunError             a run can't be opened or found
├── QueryError           a query of a run can't be answered as given
│   └── ArgumentError    an argument of the query is the reason; the command line names its option
└── MissingExtraError    a package of an extra is not installed; the message has the command
```

`initialize()`, `open_run()`, queries, `attach()` and the command line raise them. Log calls raise
none of them.
"""

from __future__ import annotations

__all__ = [
    "ArgumentError",
    "ConfigError",
    "LogflumeError",
    "MissingExtraError",
    "QueryError",
    "RunError",
]


class LogflumeError(Exception):
    """The base class: catch it to catch every exception of logflume."""


class ConfigError(LogflumeError):
    """The configuration is invalid."""


class RunError(LogflumeError):
    """A run can't be opened or found."""


class QueryError(LogflumeError):
    """A query of a run can't be answered as given."""


class ArgumentError(QueryError):
    """An argument of a query has a value that can't be used.

    The message names the argument as in the call: `prompts: order='x': …`. The command line names
    its own option instead: `--order x: …`.

    Args:
        query: The name of the query; empty if several have the argument.
        name: The name of the argument.
        value: Its value.
        problem: What is wrong, and what is allowed.
    """

    def __init__(self, query: str, name: str, value: object, problem: str) -> None:
        self.name = name
        self.value = value
        self.problem = problem
        super().__init__(f"{query and query + ': '}{name}={value!r}: {problem}")


class MissingExtraError(LogflumeError):
    """A package that a feature requires is not installed.

    Args:
        package: The missing package, by its import name.
        extra: The extra of logflume that installs it.
    """

    def __init__(self, package: str, extra: str) -> None:
        self.package = package
        self.extra = extra
        super().__init__(
            f"This feature requires the package {package!r}. "
            f"Install it with: pip install 'logflume[{extra}]'"
        )
