"""The pipeline: buffer → worker → chain → router → deliveries → sinks.

`pipeline.py` holds it together, `build.py` makes one from a configuration.
"""
