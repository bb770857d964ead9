"""Command line of the fairness benchmark: `python -m benchmarks.fairness`."""

from benchmarks.common.report import run_command
from benchmarks.fairness.bench import main

if __name__ == "__main__":
    run_command("benchmarks.fairness", main)
