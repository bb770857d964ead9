"""Command line of the idle benchmark: `python -m benchmarks.idle`."""

from benchmarks.common.report import run_command
from benchmarks.idle.bench import main

if __name__ == "__main__":
    run_command("benchmarks.idle", main)
