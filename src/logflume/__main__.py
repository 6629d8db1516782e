"""`python -m logflume` is `logflume`."""

import sys

# Python searches the current folder first. It may be someone else's run: import nothing from it.
if not sys.flags.safe_path:
    del sys.path[0]

from logflume.cli import main

main()
