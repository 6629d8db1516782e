"""Importing: what other tools logged becomes a run of ours.

```text
source.py            which format a file or folder has, and what a run made of it is called
  trainer_state.py   `trainer_state.json` of transformers and TRL
  tensorboard.py     event files (points.py: grouped by step)
  history.py         W&B's history: JSON Lines (jsonl.py) and CSV (csvfile.py)
names.py             from `train/loss` to the field `loss` of `training`
writing.py           found events → a run folder, through the sinks
```

A reader is a function `read(path, left_out)` that yields `Found` events, in order, and counts what
it leaves out.
"""

from __future__ import annotations

from logflume.importing.source import Imported, import_run

__all__ = ["Imported", "import_run"]
