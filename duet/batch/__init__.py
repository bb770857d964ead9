"""Prediction of many image files into one table: listing, models, a journal that survives kills, and output formats."""
