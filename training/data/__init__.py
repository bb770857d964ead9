"""Data sets: loading, splits and preprocessing."""
