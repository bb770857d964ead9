"""Command line of the simulation of the gate: `python -m benchmarks.gate`."""

from benchmarks.common.report import run_command
from benchmarks.gate.bench import main

if __name__ == "__main__":
    run_command("benchmarks.gate", main)
