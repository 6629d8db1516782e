"""Imports the logs of other tools as runs.

```text
source.py          detects the format of a file or folder, and derives the run id
trainer_state.py   `trainer_state.json` of transformers and TRL
tensorboard.py     TensorBoard event files (event_files.py reads them)
wandb_history.py   JSON Lines and CSV: W&B histories, and the files of other loggers
steps.py           finds the step of a row
names.py           maps names such as `train/loss` to the field `loss` of `training`
writing.py         writes the imported events as a run, through the sinks
```

A reader is a function `read(path, reading)` that yields `ImportedEvent`s in order. In `reading` it
counts what can't be imported, and notes which field is the step.
"""

from __future__ import annotations

from logflume.importing.source import Imported, import_run

__all__ = ["Imported", "import_run"]
