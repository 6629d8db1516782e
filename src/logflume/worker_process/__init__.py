"""The worker process: worker, processors and sinks outside the training process.

Python runs one thread at a time, so training waits while a worker thread computes. With
`worker: process` the training process only sends its records through a pipe, and the same
`Pipeline` runs in a child process.

```text
training process                                       worker process
buffer ──► Sender (thread) ──── records, requests ──►  Server ──► buffer ──► Pipeline
           Receiver (thread) ◄─ written, text, … ────  Notifier (thread)
```

- `wire.py`: the messages, their encoding, and the pipe. Only plain data crosses.
- `client.py`, `sender.py`, `receiver.py`: the training process's side; `spawn.py` starts the child.
- `server.py`, `notifier.py`: the worker process's side.

If the training process is killed, the worker process writes what is in the pipe, closes the sinks
and ends; until then, it holds the run's file lock. If the worker process is killed, the training
process continues the attempt on a thread, beginning with the batches that were not written.
"""
