"""A brief of a run in Markdown, small enough for the context of a language model."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc

from logflume.diagnosis.diagnose_run import RecordedFinding, diagnose_run
from logflume.diagnosis.finding import SEVERITIES
from logflume.events.metric_names import find_metric
from logflume.query.columns import optional
from logflume.query.open_run import Run

if TYPE_CHECKING:
    import pyarrow as pa

    from logflume.query.summary import RunSummary

__all__ = ["MAX_TOKENS", "count_tokens", "make_brief"]

MAX_TOKENS = 2_000

_MAX_FINDINGS = 8
_MAX_CURVES = 16
_MAX_EVALUATED = 8
_MAX_SETTINGS = 24
_MAX_VALUE_CHARACTERS = 60
_MAX_TEXT_CHARACTERS = 320
_POINTS = (0.0, 0.25, 0.5, 0.75, 1.0)

_FIRST = ("reward", "accuracy", "kl", "entropy", "loss", "grad_norm", "learning_rate")
"""The curves that come first; functions of the reward follow."""

_REWARD_EVENT = "reward."
"""The prefix of the metrics of `reward` events among those of several types."""

_LEAST_PREFERRED = 1_000

_PIECE = re.compile(r"[A-Za-z]+|\d|\n+|[^\w\s]|_|[^\x00-\x7f]")


def count_tokens(text: str) -> int:
    """Return an upper estimate of the tokens of a text, whatever the tokenizer.

    Each digit and each sign is a token, each three letters are one, and each byte of a letter that
    is not ASCII.

    >>> count_tokens("kl: 0.25")
    6
    """
    total = 0
    for piece in _PIECE.findall(text):
        if not piece.isascii():
            total += len(piece.encode(errors="replace"))
        else:
            total += math.ceil(len(piece) / 3) if piece.isalpha() else 1
    return total


def make_brief(run: Run, max_tokens: int = MAX_TOKENS) -> str:
    """Return a brief of a run in Markdown, for a person or a program.

    It has the status, the findings, the configuration, the curves in numbers, and examples of
    completions. What exceeds the limit is cut off at the end, and a line says so.

    Args:
        run: The run.
        max_tokens: The limit, as estimated by `count_tokens`.

    Raises:
        RunError: A journal is damaged.
    """
    info = run.info
    diagnosis = diagnose_run(run.folder)
    lines = [
        *_status(info),
        *_findings(diagnosis.findings),
        *_settings(info),
        *_curves(run, info),
        *_examples(run, info),
    ]
    return _fit(lines, max_tokens)


def _fit(lines: Iterable[str], max_tokens: int) -> str:
    kept: list[str] = []
    ending = "(The rest is left out.)"
    left = max_tokens - count_tokens(ending) - 1
    for line in lines:
        left -= count_tokens(line) + 1  # its line break
        if left < 0:
            kept.append(ending)
            break
        kept.append(line)
    return "\n".join(kept)


def _status(info: RunSummary) -> Iterator[str]:
    yield f"# Run {_short(info.run)}"
    facts = {
        "status": info.status,
        "exception": info.exception,
        "attempt": info.attempt or None,
        "ranks": len(info.ranks) if len(info.ranks) > 1 else None,
        "last step": info.last_step,
        "duration (s)": None if info.duration_s is None else round(info.duration_s),
    }
    yield "; ".join(f"{name} {_short(v)}" for name, v in facts.items() if v is not None)
    if info.earlier_steps:
        yield f"{info.earlier_steps.capitalize()}, and left out here."


def _findings(findings: Sequence[RecordedFinding]) -> Iterator[str]:
    yield "## Findings"
    ordered = sorted(findings, key=lambda f: -SEVERITIES.index(f.finding.severity))
    for found in ordered[:_MAX_FINDINGS]:
        finding = found.finding
        where = f"step {finding.step}" + (f", attempt {found.attempt}" if found.attempt else "")
        yield f"- {finding.severity}, {where}: {finding.signal}. {finding.evidence.message}"
        yield f"  Try: {finding.try_next}"
        if finding.completions:
            yield f"  Completions: {', '.join(finding.completions[:3])}"
    if len(findings) > _MAX_FINDINGS:
        yield f"- and {len(findings) - _MAX_FINDINGS} more (`logflume diagnose`)"
    if not findings:
        yield "none"


def _settings(info: RunSummary) -> Iterator[str]:
    settings = sorted(info.hyperparameters.items(), key=lambda item: _is_minor(item[1]))
    if not settings:
        return
    yield "## Configuration"
    text = ", ".join(f"{name}={_short(value)}" for name, value in settings[:_MAX_SETTINGS])
    more = len(settings) - _MAX_SETTINGS
    yield text + (f", and {more} more" if more > 0 else "")


def _is_minor(value: Any) -> bool:
    """Whether a setting says little: switches, lists and mappings come after numbers and texts."""
    return isinstance(value, (bool, list, dict, type(None)))


def _current(info: RunSummary) -> tuple[None, int | None]:
    """Return the steps up to the last one: later steps are of an earlier attempt."""
    return None, info.last_step


def _curves(run: Run, info: RunSummary) -> Iterator[str]:
    table = run.metrics(
        wide=True, events=("training", "evaluation", "reward"), steps=_current(info)
    ).arrow
    curves = dict(_find_curves(table, "train")[:_MAX_CURVES])
    evaluated = _find_curves(table, "eval")[:_MAX_EVALUATED]
    curves |= {f"eval {name}": values for name, values in evaluated}
    if not curves:
        return
    yield "## Curves"
    yield "metric: at 0, 25, 50, 75, 100% of its points; min, max"
    for name, values in curves.items():
        last = len(values) - 1
        points = ", ".join(f"{values[round(last * point)]:.3g}" for point in _POINTS)
        yield f"- {_short(name)}: {points}; {min(values):.3g}, {max(values):.3g}"


def _find_curves(table: pa.Table, mode: str) -> list[tuple[str, list[float]]]:
    """Return the name and the values of each known metric in a mode, the most important first.

    Of the names that report the same metric, the preferred one is chosen, and one of a `reward`
    event only if there is no other.
    """
    modes = table["mode"].to_pylist()
    found: dict[str, tuple[int, str, list[float]]] = {}
    for name in table.column_names:
        metric, preference = find_metric(name.removeprefix(_REWARD_EVENT)) or ("", 0)
        preference += _LEAST_PREFERRED * name.startswith(_REWARD_EVENT)
        if not metric or _is_spread(metric) or (metric in found and found[metric][0] <= preference):
            continue
        column = zip(modes, table[name].to_pylist(), strict=True)
        values = [v for m, v in column if m == mode and v is not None and math.isfinite(v)]
        if values:
            found[metric] = preference, name, values
    return [found[metric][1:] for metric in sorted(found, key=_order)]


def _is_spread(metric: str) -> bool:
    """Whether a metric is the deviation of a reward function, which says less than its mean."""
    return metric.startswith("rewards/") and metric.endswith("/std")


def _order(metric: str) -> tuple[int, str]:
    if metric in _FIRST:
        return _FIRST.index(metric), metric
    return len(_FIRST) + (not metric.startswith("rewards/")), metric


def _examples(run: Run, info: RunSummary) -> Iterator[str]:
    if "model_output" not in run.types():
        return
    # The last step that has any: completions may be recorded of a few steps only.
    steps = pc.max(run.outputs(columns=["step"], steps=_current(info)).arrow["step"]).as_py()
    columns = ["step", "rewards/total*", "prompt*", "model_output*"]
    columns += [optional("question"), optional("id")]
    shown: set[tuple[str, str]] = set()
    for title, best, worst in (("highest", 1, None), ("lowest", None, 1)):
        chosen = run.outputs(steps=steps, columns=columns, best=best, worst=worst)
        for row in chosen.to_pylist():
            prompt = _excerpt(row.get("prompt") or row.get("question"))
            text = _excerpt(row.get("model_output"))
            if (prompt, text) in shown:
                continue
            if not shown:
                yield "## Completions of the last recorded step"
            shown.add((prompt, text))
            name = f" {_short(row['id'])}" if row.get("id") else ""
            reward = row.get("rewards/total")
            yield f"- {title} reward {reward:.3g}, step {row['step']}{name}"
            yield f"  Prompt: {prompt}"
            yield f"  Completion: {text}"


def _excerpt(text: Any) -> str:
    """Return the beginning and the end of a text, on one line."""
    flat = " ".join(str(text or "").split())
    if len(flat) <= _MAX_TEXT_CHARACTERS:
        return flat
    half = _MAX_TEXT_CHARACTERS // 2
    return f"{flat[:half]} … {flat[-half:]}"


def _short(value: Any) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else " ".join(str(value).split())
    is_long = len(text) > _MAX_VALUE_CHARACTERS
    return f"{text[:_MAX_VALUE_CHARACTERS]}…" if is_long else text
