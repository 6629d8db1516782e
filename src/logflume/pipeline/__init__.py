"""The pipeline: buffer → worker → chain → router → lanes of sinks.

`pipeline.py` holds it together, `build.py` makes one from a configuration.
"""
