"""Command line of the saliency benchmark: `python -m benchmarks.saliency`."""

from benchmarks.common.report import run_command
from benchmarks.saliency.bench import main

if __name__ == "__main__":
    run_command("benchmarks.saliency", main)
