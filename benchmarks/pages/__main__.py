"""Command line of the pages benchmark: `python -m benchmarks.pages`."""

from benchmarks.common.report import run_command
from benchmarks.pages.bench import main

if __name__ == "__main__":
    run_command("benchmarks.pages", main)
