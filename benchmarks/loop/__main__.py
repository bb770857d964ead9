"""Command line of the simulations of live statistics: `python -m benchmarks.loop`."""

from benchmarks.common.report import run_command
from benchmarks.loop.bench import main

if __name__ == "__main__":
    run_command("benchmarks.loop", main)
