"""Adapters for logflume and the logging libraries that it is compared with."""
