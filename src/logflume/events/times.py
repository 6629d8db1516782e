"""Timestamps: formatting, parsing and recognizing them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

__all__ = ["format_time", "is_timestamp", "to_microseconds"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)


def format_time(time_ns: int) -> str:
    """Format a time as RFC 3339 in UTC, with microseconds.

    Args:
        time_ns: Nanoseconds since 1970 UTC.

    >>> format_time(1_000_000_000)
    '1970-01-01T00:00:01.000000Z'
    """
    seconds, rest_ns = divmod(time_ns, 1_000_000_000)
    # Slicing the digits takes half as long as formatting a number with six digits.
    return f"{_format_second(seconds)}.{str(1_000_000_000 + rest_ns)[1:7]}Z"


@lru_cache(maxsize=64)
def _format_second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def to_microseconds(text: str) -> int:
    """Return a timestamp as microseconds since 1970.

    >>> to_microseconds("1970-01-01T01:00:01+01:00")
    1000000

    Raises:
        ValueError: The text is not an RFC 3339 timestamp.
    """
    if not is_timestamp(text):  # Python also accepts any text after the sixth decimal
        raise ValueError(f"{text!r} is not an RFC 3339 timestamp")
    return (datetime.fromisoformat(text) - _EPOCH) // _MICROSECOND


def is_timestamp(text: str) -> bool:
    """Whether a text has the form of an RFC 3339 timestamp.

    >>> is_timestamp("1970-01-01T00:00:01.000000Z"), is_timestamp("1970-01-01")
    (True, False)
    """
    return _TIMESTAMP.fullmatch(text) is not None
