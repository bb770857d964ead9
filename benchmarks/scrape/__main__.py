"""Command line of the scrape benchmark: `python -m benchmarks.scrape`."""

from benchmarks.common.report import run_command
from benchmarks.scrape.bench import main

if __name__ == "__main__":
    run_command("benchmarks.scrape", main)
