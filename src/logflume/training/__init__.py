"""Integration with trainers: `attach`, callbacks and wrapped reward functions.

Importing this package loads neither torch nor transformers; `callbacks` loads both.
"""

from __future__ import annotations

from logflume.training.attach import Attachment, attach

__all__ = ["Attachment", "attach"]
