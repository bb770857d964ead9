"""Command line of the serving benchmark: `python -m benchmarks.serving`."""

from benchmarks.common.report import run_command
from benchmarks.serving.bench import main

if __name__ == "__main__":
    run_command("benchmarks.serving", main)
