"""What a detector finds, and the `alert` event that it becomes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

__all__ = ["SEVERITIES", "Evidence", "Finding", "Severity"]

Severity: TypeAlias = Literal["info", "warning", "critical"]

SEVERITIES: tuple[Severity, ...] = ("info", "warning", "critical")
"""From the least to the most severe."""

_EXPONENT = re.compile(r"\b(\d(?:\.\d+)?)e([+-]\d\d+)\b")


@dataclass(frozen=True)
class Evidence:
    """What a detector sees in the reports.

    Attributes:
        message: One sentence with the numbers. `5.9e-09` becomes `5.9e-9`, as on the console.
        metric: The metric that the numbers refer to, by the name that the trainer reports it under.
        value: Its current value.
        before: Its earlier or expected value.
        threshold: The limit that was crossed.
        signal: A more specific name than that of the detector.
        severity: A severity other than that of the detector.
        cause: A more specific cause than that of the detector.
        try_next: More specific advice than that of the detector.
        fields: More fields of the `alert` event.
    """

    message: str
    metric: str | None = None
    value: float | None = None
    before: float | None = None
    threshold: float | None = None
    signal: str | None = None
    severity: Severity | None = None
    cause: str | None = None
    try_next: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        message = _EXPONENT.sub(lambda found: f"{found[1]}e{int(found[2])}", self.message)
        object.__setattr__(self, "message", message)


@dataclass(frozen=True)
class Finding:
    """A problem that a detector has found.

    Attributes:
        signal: Name of the signal.
        severity: `critical`: training has failed or is about to; `warning`: something is going
            wrong; `info`: it may be intended.
        step: Training step of the report; None if unknown.
        evidence: The numbers.
        cause: The likely cause.
        try_next: What to try, with keys of the trainer's configuration.
        completions: Ids of completions that show it.
        condition: What is true of these completions.
        over_since: The last step at which the problem was seen, if it is over; else None.
    """

    signal: str
    severity: Severity
    step: int | None
    evidence: Evidence
    cause: str
    try_next: str
    completions: tuple[str, ...] = ()
    condition: str | None = None
    over_since: int | None = None

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of the `alert` event, without those that are None."""
        evidence = self.evidence
        fields = {
            "signal": self.signal,
            "severity": self.severity,
            "message": evidence.message,
            "metric": evidence.metric,
            "value": evidence.value,
            "before": evidence.before,
            "threshold": evidence.threshold,
            "cause": self.cause or None,
            "try_next": self.try_next or None,
            "completions": list(self.completions) or None,
            "condition": self.condition if self.completions else None,
            "over_since": self.over_since,
            **evidence.fields,
        }
        return {name: value for name, value in fields.items() if value is not None}
