"""Maintenance of runs: checking, repairing and rebuilding their files from the journal.

```text
doctor.py             checks every file of a run: the journal itself, then each sink file against it
  verify.py             the journal, the run state and stale files
  csv_check.py, log_check.py, parquet_check.py, tensorboard_check.py
                        one module for each format of a sink file
  differences.py        row-by-row comparison of a sink file with the journal
  event_checksum.py     the checksum by which rows are compared
  expected_output.py    what a sink writes for the events of the journal
repair.py             repairs what the doctor finds
replay.py             rebuilds sink files from the journal, through the same sinks
compact.py            merges small Parquet parts
sink_files.py         the sink files of a run: their paths, sinks and events
```
"""
