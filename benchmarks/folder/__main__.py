"""Command line of the folder benchmark: `python -m benchmarks.folder`."""

from benchmarks.common.report import run_command
from benchmarks.folder.bench import main

if __name__ == "__main__":
    run_command("benchmarks.folder", main)
