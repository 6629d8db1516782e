"""The configurations that ship with logflume, as package data: `default.yaml` is used when none is given."""
