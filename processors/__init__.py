"""Processors: one file each, a verb each. Found by name, in the entry points of this package's name."""
