"""The cost of the page: `python -m tests.benchmarks.page`, or `make bench-ui`."""
