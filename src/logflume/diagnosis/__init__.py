"""Diagnosis of trainings: detectors, and what feeds events to them.

- `watch.py`: `Diagnosis`, which gets one event at a time
- `history.py`, `series.py`: the metrics so far; `completions.py`, `reward_batches.py`: measures of
  completions and of batches of rewards
- `detector.py`: the interface of detectors; `detectors.py`: all of them
- `*_signals.py`: the detectors, by what they look at; `scale.py`: where a reward lies
- `error_rate.py`: thresholds from the wanted rate of false alarms
- `finding.py`: what a detector finds
"""
