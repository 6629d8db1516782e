"""Processors: one file each, a verb each. Found by name, as entry points of this package's name."""
