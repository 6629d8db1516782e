"""The pipeline in a process of its own, so that the training's Python has its lock to itself.

Python runs one thread at a time: whatever a worker thread computes, the training waits for. With
`worker: process` the worker of this process only hands the records on, through a pipe;
processors and sinks run in a child process, in the same `Pipeline` that otherwise runs here.

    training process                                  its child, `python -m logflume.worker_process`
    buffer ──► `Sender` (thread) ── parcels, asks ──► `process.main` ──► buffer ──► `Pipeline`
               `RemotePipeline` ◄── answers, lines ── the pipeline's counts, the console's text

What happens when one of them ends: the child of a training that was killed writes what is in the
pipe, closes its sinks and ends, and has the claim on the run until then. The training whose child
was killed goes on in its own process, as the next attempt, with the parcels that the child had not
written.
"""
