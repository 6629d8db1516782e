"""Outputs against the journal: made anew from it, checked, repaired.

```text
entries.py      the lines of a journal, those that are no events included (faults.py says why)
identity.py     whose journal it is, and the configuration of each attempt (configs.py)
outputs.py      which outputs a run has, where they are, and which events belong in them
staging.py      building beside and taking the place at once (exchange.py)
replay.py       outputs made anew from the journal
doctor.py       what is wrong with a run: journal_check.py, state_check.py, leftovers.py and, for
                each kind of output, parquet_check.py, csv_check.py, log_check.py,
                tensorboard_check.py (comparison.py: row by row; oracle.py: what the sink writes)
repair.py       making it right again (journal_repair.py, state_repair.py)
compact.py      few large Parquet parts in place of many small ones
```
"""
