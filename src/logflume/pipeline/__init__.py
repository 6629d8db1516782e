"""The pipeline: buffer → worker → processor chain → router → deliveries → sinks.

`build.py` builds a pipeline from a configuration; `pipeline.py` starts, flushes and closes it.
"""
