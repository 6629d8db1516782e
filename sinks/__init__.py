"""Sinks: one file each, a noun each. Found by name through the entry points `logflume.sinks`."""
