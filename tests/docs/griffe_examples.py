"""An extension of Griffe, which reads docstrings for the Python reference."""

from __future__ import annotations

import re
from typing import Any

import griffe

__all__ = ["ExampleSections"]


class ExampleSections(griffe.Extension):
    """Reads a section `Example:` like `Examples:`, the only name that Griffe knows."""

    def on_instance(self, *, obj: Any, **_: Any) -> None:
        """Rename the section in the docstring of an object that was read."""
        if obj.docstring is not None:
            text = obj.docstring.value
            obj.docstring.value = re.sub(r"^Example:$", "Examples:", text, flags=re.MULTILINE)
