"""Sentences that are chosen by the numbers: each function says what the findings show, and nothing else."""
