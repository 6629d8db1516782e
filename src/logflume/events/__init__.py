"""The definition of events: the catalogue of types, reserved names, and trainers' metric names."""
