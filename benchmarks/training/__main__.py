"""Command line of the training benchmark: `python -m benchmarks.training`."""

from benchmarks.common.report import run_command
from benchmarks.training.bench import main

if __name__ == "__main__":
    run_command("benchmarks.training", main)
