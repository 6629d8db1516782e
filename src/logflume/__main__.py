"""`python -m logflume` is `logflume`."""

from logflume.cli import main

main()
