"""Command line of the promotion benchmark: `python -m benchmarks.promotion`."""

from benchmarks.common.report import run_command
from benchmarks.promotion.bench import main

if __name__ == "__main__":
    run_command("benchmarks.promotion", main)
