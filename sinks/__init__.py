"""Sinks: one file each, a noun each. Found by name, in the entry points of this package's name."""
