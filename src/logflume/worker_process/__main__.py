"""Runs the worker process: `python __main__.py READ_FD WRITE_FD`."""

import marshal
import os
import sys


def _read(descriptor: int, size: int) -> bytes:
    data = b""
    while len(data) < size:
        chunk = os.read(descriptor, size - len(data))
        if not chunk:
            sys.exit(1)  # the training process has ended
        data += chunk
    return data


if __name__ == "__main__":
    incoming, outgoing = map(int, sys.argv[1:])
    # The first message is read before anything is imported, so that modules are found where the
    # training process finds them, however its path was changed.
    length = int.from_bytes(_read(incoming, 8), "big")
    sys.path[:] = marshal.loads(_read(incoming, length))

    from logflume.worker_process.server import main

    main(incoming, outgoing)
