"""Maintenance of runs: checking, repairing and rebuilding their files from the journal.

```text
doctor.py             checks every file of a run: the journal itself, then each sink file against it
  verify.py             the journal, the run state and stale files
  output_check.py       a sink file, by the `scan` of its sink (`ScannableSink`)
  differences.py        what the scan found, compared with the journal event by event
  media_check.py        the files under `media/`, by the paths that the journals name
repair.py             repairs what the doctor finds
replay.py             rebuilds sink files from the journal, through the same sinks
compact.py            merges small Parquet parts
sink_files.py         the sink files of a run: their paths, sinks and events
```
"""
