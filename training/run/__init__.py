"""State of a training run: run folder, checkpoints, environment record, progress reports and random generators."""
