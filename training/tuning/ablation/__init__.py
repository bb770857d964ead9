"""Ablation studies: comparisons of many short runs, which are never published."""
