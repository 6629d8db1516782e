"""Maintenance of runs: checking, repairing and rebuilding their files from the journal.

```text
doctor.py             checks every file of a run: the journal itself, then each sink file against it
  verify.py             the journal, the run state and stale files
  output_check.py       a sink file, scanned by its sink (`ScannableSink`)
  differences.py        compares the scanned events with the journal, one by one
  media_check.py        the files under `media/`, by the paths in the journals
repair.py             repairs what the doctor finds
replay.py             rebuilds sink files from the journal, through the same sinks
compact.py            merges small Parquet parts
sink_files.py         the sink files of a run: their paths, sinks and events
```
"""
