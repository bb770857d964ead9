"""Folder benchmark: `duet predict` against the engine alone."""
