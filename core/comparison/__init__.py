"""Comparison of two versions from their stored evaluations, predictions and records."""
