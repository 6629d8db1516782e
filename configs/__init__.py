"""The configurations that ship with logflume; `default.yaml` is used when none is given."""
