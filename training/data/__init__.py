"""Data sets: loading, splitting and preprocessing."""
