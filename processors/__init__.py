"""Processors: one file each, a verb each. Found by name through the entry points `logflume.processors`."""
