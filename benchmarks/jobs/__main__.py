"""Command line of the jobs benchmark: `python -m benchmarks.jobs`."""

from benchmarks.common.report import run_command
from benchmarks.jobs.bench import main

if __name__ == "__main__":
    run_command("benchmarks.jobs", main)
