"""Plotting helpers shared by all figures."""
