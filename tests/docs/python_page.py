"""The Python reference: the public names, rendered by mkdocstrings from their docstrings."""

from __future__ import annotations

__all__ = ["python_page"]

_INTRODUCTION = """# Python

What code may import. Everything else is internal, and may change in any version.
"""

_SECTIONS = {
    "Logging: `logflume`": {
        "logflume.runtime.lifecycle": ["initialize", "set_step", "flush", "shutdown", "report"],
        "logflume.logger.logger": ["get_logger", "EventLogger"],
        "logflume.logger.helpers": [
            "get_training_logger",
            "get_model_logger",
            "get_reward_logger",
            "get_system_logger",
            "get_metrics_logger",
            "log_model_output",
            "log_training_progress",
            "log_reward_metrics",
            "log_memory_usage",
        ],
        "logflume.values.visuals": ["Image", "Histogram"],
    },
    "Trainers: `logflume.training`": {
        "logflume.training.attach": ["attach", "Attachment"],
        "logflume.training.policies": [
            "keep_all",
            "every",
            "first_groups",
            "best_and_worst",
            "ratio_above",
        ],
        "logflume.training.callbacks": ["EnhancedLoggingCallback", "OptimizedLoggingCallback"],
        "logflume.training.wrapped_rewards": ["get_wrapped_reward_functions", "wrap_reward"],
    },
    "Reading runs: `logflume`": {
        "logflume.query.open_run": ["open_run", "open_runs", "Run", "Runs"],
        "logflume.query.questions": ["Questions"],
        "logflume.query.rollout_questions": ["RolloutQuestions"],
    },
    "Importing logs: `logflume.importing`": {"logflume.importing.source": ["import_run"]},
    "Components: `logflume.protocols`": {
        "logflume.protocols": [
            "Event",
            "EventDict",
            "Position",
            "Processor",
            "ClosableProcessor",
            "ColumnProcessor",
            "Sink",
            "RebuildableSink",
            "ScannableSink",
            "ScannedEvent",
            "ScanFault",
            "FaultKind",
            "Journal",
        ]
    },
    "Testing code that logs: `logflume.testing`": {
        "logflume.testing": ["MemorySink", "capture_events"]
    },
    "Exceptions: `logflume.exceptions`": {
        "logflume.exceptions": [
            "LogflumeError",
            "ConfigError",
            "RunError",
            "QueryError",
            "ArgumentError",
            "MissingExtraError",
        ]
    },
}


def python_page() -> str:
    """Return the page as Markdown."""
    lines = [_INTRODUCTION]
    for title, modules in _SECTIONS.items():
        lines.append(f"## {title}\n")
        lines += [f"::: {module}.{name}\n" for module, names in modules.items() for name in names]
    return "\n".join(lines)
