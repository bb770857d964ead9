"""Command line of the cost benchmark: `python -m benchmarks.cost`."""

from benchmarks.common.report import run_command
from benchmarks.cost.bench import main

if __name__ == "__main__":
    run_command("benchmarks.cost", main)
