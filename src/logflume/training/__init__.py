"""What plugs into a trainer: `attach`, callbacks, wrapped reward functions.

Importing this package loads neither torch nor transformers; `callbacks` does.
"""

from __future__ import annotations

from logflume.training.attach import Attachment, attach

__all__ = ["Attachment", "attach"]
