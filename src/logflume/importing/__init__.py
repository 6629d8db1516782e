"""Imports the logs of other tools as runs.

```text
source.py          detects the format of a file or folder, and derives the run id
trainer_state.py   `trainer_state.json` of transformers and TRL
tensorboard.py     TensorBoard event files (event_files.py reads them)
wandb_history.py   W&B histories as JSON Lines or CSV
names.py           maps names such as `train/loss` to the field `loss` of `training`
writing.py         writes the imported events as a run, through the sinks
```

A reader is a function `read(path, left_out)` that yields `ImportedEvent`s in order, and counts what
can't be imported in `left_out`.
"""

from __future__ import annotations

from logflume.importing.source import Imported, import_run

__all__ = ["Imported", "import_run"]
