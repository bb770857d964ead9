"""Tuning: a search for better settings of a recipe, on validation images, kept in a journal."""
