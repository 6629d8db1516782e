"""Importing logs of other tools as runs.

```text
source.py          finds the format of a file or folder, and the id of the imported run
trainer_state.py   `trainer_state.json` of transformers and TRL
tensorboard.py     TensorBoard event files (event_files.py reads them)
wandb_history.py   W&B's history as JSON Lines or CSV
names.py           maps names such as `train/loss` to the field `loss` of `training`
writing.py         writes the imported events as a run, through the sinks
```

A reader is a function `read(path, left_out)` that yields `ImportedEvent`s in order and counts what
it leaves out.
"""

from __future__ import annotations

from logflume.importing.source import Imported, import_run

__all__ = ["Imported", "import_run"]
