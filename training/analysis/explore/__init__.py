"""Exploratory data analysis: class counts, pixel values, sample images and duplicates."""
