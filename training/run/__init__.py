"""The state of a run: its folder, checkpoints, environment, progress and random numbers."""
