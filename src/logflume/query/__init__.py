"""Querying runs, during training and afterwards."""
