"""Interpretability: attribution maps, their evaluation, and activation maximization."""
