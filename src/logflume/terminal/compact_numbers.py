"""Numbers as people read them, in few characters or with four significant digits."""

from __future__ import annotations

import math

__all__ = ["compact_duration", "compact_number", "compact_percent", "number_text"]

_LARGE_UNITS = ((1e6, "M"), (1e9, "G"), (1e12, "T"))
_SMALL = 1e-4

_UNITS = (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3))


def compact_number(value: float) -> str:
    """Return a number with about three significant digits, in at most seven characters.

    >>> [compact_number(value) for value in (1.7, -0.0183, 15.72, 12_345.6, 5e-6, 40)]
    ['1.70', '-.018', '15.7', '12.3k', '5e-6', '40']
    """
    if not math.isfinite(value):
        return str(float(value))
    if isinstance(value, int) and abs(value) < 10_000:
        return str(value)
    size = abs(value)
    if 10_000 <= size < 1e15:
        unit, factor = next((unit, factor) for unit, factor in _UNITS if size >= factor)
        return f"{_three_digits(value / factor)}{unit}"
    if size == 0 or 1 <= size < 10_000:
        return _three_digits(value)
    if 0.001 <= size < 1:
        text = f"{value:.3f}" if size >= 0.01 else f"{value:.4f}"
        return text.replace("0.", ".", 1) if text.lstrip("-").startswith("0.") else text
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}"


def _three_digits(value: float) -> str:
    size = abs(value)
    return f"{value:.0f}" if size >= 99.95 else f"{value:.1f}" if size >= 9.995 else f"{value:.2f}"


def compact_percent(value: float) -> str:
    """Return a share as a percentage.

    >>> compact_percent(0.047), compact_percent(0.001), compact_percent(0.0)
    ('5%', '0.1%', '0%')
    """
    if not math.isfinite(value):
        return str(float(value))
    percent = 100 * value
    return f"{percent:.1f}%" if 0 < abs(percent) < 0.95 else f"{percent:.0f}%"


def compact_duration(duration_s: float) -> str:
    """Return a duration in one or two units. A float below 10 s has a decimal place.

    >>> [compact_duration(duration_s) for duration_s in (0.45, 14.2, 95, 7_500, 200_000)]
    ['0.5 s', '14 s', '95 s', '2 h 05 min', '2 d 07 h']
    """
    if isinstance(duration_s, float) and duration_s < 10:
        return f"{duration_s:.1f} s"
    if duration_s < 100:
        return f"{duration_s:.0f} s"
    minutes = round(duration_s / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes:02} min"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours:02} h"


def number_text(value: float | None) -> str:
    """Return a number with up to four significant digits; empty for None.

    >>> number_text(1.70312), number_text(-5.588e-09), number_text(463795200.0)
    ('1.703', '-5.6e-9', '463.8M')
    """
    if value is None:
        return ""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    size = abs(value)
    for limit, unit in _LARGE_UNITS:
        if limit <= size < limit * 1000:
            return f"{value / limit:.4g}{unit}"
    if 1000 <= size < 1e6:
        return f"{value:,.0f}"
    text = f"{value:.4g}" if size >= _SMALL or not size else f"{value:.2g}"
    mantissa, _, exponent = text.partition("e")
    return f"{mantissa}e{int(exponent)}" if exponent else text
