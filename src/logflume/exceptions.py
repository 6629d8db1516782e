"""Every error that logflume raises on purpose.

```text
LogflumeError
├── ConfigError          the configuration can't be used; the text says where and what to write
├── RunError             a run can't be opened or found
├── QueryError           a question to a run can't be answered as it was asked
└── MissingExtraError    a package of an extra is not installed; the text says what to type
```

They come out of `initialize()`, `open_run()`, `attach()` and the command line. A log call raises
none of them.
"""

from __future__ import annotations

__all__ = ["ConfigError", "LogflumeError", "MissingExtraError", "QueryError", "RunError"]


class LogflumeError(Exception):
    """The root of the tree: catch it to catch every error of logflume's own."""


class ConfigError(LogflumeError):
    """The configuration can't be used."""


class RunError(LogflumeError):
    """A run can't be opened or found."""


class QueryError(LogflumeError):
    """A question to a run can't be answered as it was asked."""


class MissingExtraError(LogflumeError):
    """A package that this feature needs is not installed.

    Args:
        package: The missing package, as it is imported.
        extra: The extra of logflume that brings it.
    """

    def __init__(self, package: str, extra: str) -> None:
        self.package = package
        self.extra = extra
        super().__init__(
            f"This needs the package {package!r}. Install it with: pip install 'logflume[{extra}]'"
        )
