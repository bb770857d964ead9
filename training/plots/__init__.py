"""Plotting helpers shared by the figures of reports."""
