"""The built-in sinks, registered by name in the entry-point group `logflume.sinks`."""
