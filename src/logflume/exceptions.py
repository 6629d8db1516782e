"""Every exception that logflume raises deliberately.

```text
LogflumeError
├── ConfigError          the configuration is invalid; the message says where and how to fix it
├── RunError             a run can't be opened or found
├── QueryError           a query of a run can't be answered as given
└── MissingExtraError    a package of an extra is not installed; the message has the command
```

They are raised by `initialize()`, `open_run()`, `attach()` and the command line. Log calls raise
none of them.
"""

from __future__ import annotations

__all__ = ["ConfigError", "LogflumeError", "MissingExtraError", "QueryError", "RunError"]


class LogflumeError(Exception):
    """The base class: catch it to catch every exception of logflume."""


class ConfigError(LogflumeError):
    """The configuration is invalid."""


class RunError(LogflumeError):
    """A run can't be opened or found."""


class QueryError(LogflumeError):
    """A query of a run can't be answered as given."""


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
