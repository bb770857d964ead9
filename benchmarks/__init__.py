"""Benchmarks: each prints a table against a reference that is measured in the same run."""
