"""What the child process runs. It isn't for people."""

import sys

from logflume.worker_process.server import main

main(*map(int, sys.argv[1:]))
