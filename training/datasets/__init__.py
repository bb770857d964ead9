"""Data sets: where they come from, what they hold, and how their training images are divided."""
