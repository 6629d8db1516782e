"""Querying runs, while they are written and afterwards."""
