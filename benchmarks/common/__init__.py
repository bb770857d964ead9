"""Shared parts of the benchmarks: servers, load generators, references, goals and tables."""
