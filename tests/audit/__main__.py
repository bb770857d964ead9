"""Command `python -m tests.audit`: recomputes the figures of README and findings and prints a table of claims.

It needs CIFAR-10 in DUET_DATA_DIR and shares no code with core, training, service and duet. Exit code 1 if a figure
disagrees.
"""

from __future__ import annotations

import argparse
import sys

from rich.console import Console
from rich.table import Table

from tests.audit.checks import CHECKS
from tests.audit.sources import Sources

IMAGES = 1_000
"""Default number of test images that each graph predicts again."""


def main() -> int:
    """Print the table and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.audit", description=__doc__)
    parser.add_argument("--images", type=int, default=IMAGES, help="test images for the graphs, 10 to 10000")
    sources = Sources(parser.parse_args().images)
    table, disagreeing, count = Table("claim", "claimed", "recomputed", "agrees"), 0, 0
    for name, check in CHECKS.items():
        for claim in check(sources):
            table.add_row(
                f"{name}: {claim.name}", claim.claimed, claim.recomputed, "yes" if claim.agrees else "[red]NO"
            )
            count, disagreeing = count + 1, disagreeing + (not claim.agrees)
        table.add_section()
    console = Console(width=None if sys.stdout.isatty() else 180)
    console.print(table)
    console.print(f"{count} claims, {disagreeing} disagree")
    return 1 if disagreeing else 0


if __name__ == "__main__":
    sys.exit(main())
