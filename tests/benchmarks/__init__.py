"""The measurements: `make bench`, or `python -m tests.benchmarks --quick --only cpu`.

Each is a ratio taken in one run on the sandbox, so it means the same on any machine; seconds are only shown beside it.
"""
