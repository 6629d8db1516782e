"""`python -m logflume` is `logflume`."""

import sys

# Python puts the current folder first, which may be somebody else's run: nothing there is a module.
if not sys.flags.safe_path:
    del sys.path[0]

from logflume.cli import main

main()
