"""Diagnosis of training runs, live and recorded.

- `watch.py`: `Diagnosis`, which gets one event at a time; `options.py`: its options
- `history.py`, `series.py`: the metrics so far
- `completion_measures.py`, `reward_batches.py`: measures of completions and of batches of rewards
- `detector.py`: the interface of detectors; `detectors.py`: all of them
- `*_signals.py`: the detectors, by what they look at; `scale.py`: where a reward lies
- `error_rate.py`: thresholds from the wanted rate of false alarms
- `finding.py`: what a detector finds; `open_finding.py`: until the problem is over
- `diagnose_run.py`: a run on disk; `slow_rank.py`: its ranks; `resume.py`: its attempts;
  `brief.py`: what matters about it
"""
