"""The command `python -m benchmarks.saliency`."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.command import run_command, tell
from benchmarks.saliency.goals import figures, judge
from benchmarks.saliency.run import PARTS, Plan, run
from benchmarks.serving.machine import cpu_name
from benchmarks.serving.plan import choose, split
from benchmarks.serving.tables import TextTable, goals_table
from core.files.home import shipped_models


def main(
    only: Annotated[str, typer.Option(help=f"Some of {', '.join(PARTS)}.")] = "",
    rounds: Annotated[int, typer.Option(min=1, max=50, help="Rounds over all measurements.")] = 5,
    seconds: Annotated[float, typer.Option(min=0.05, max=30, help="Length of one measurement.")] = 1.0,
    models: Annotated[Path | None, typer.Option(help="Folder of model versions; the shipped one by default.")] = None,
    family: Annotated[str, typer.Option(help="Whose champion is measured.")] = "cnn",
    out: Annotated[Path | None, typer.Option(help="Write everything that was measured here, as JSON.")] = None,
    markdown_file: Annotated[Path | None, typer.Option("--markdown", help="Write the tables here.")] = None,
) -> None:
    """Measure explanations and tritonclient on one core, each against its reference on the same core."""
    parts = choose("--only", split(only), PARTS)
    plan = Plan((models or shipped_models()).absolute(), family, parts, rounds, seconds)
    load_average = os.getloadavg()[0]
    results = run(plan, Console(stderr=True, soft_wrap=True))
    head = (
        f"{results.reference} on one thread of {cpu_name()}; load average {load_average:.1f} at the start. Median over "
        f"{rounds} round{'s' * (rounds != 1)} of {seconds:g} s per figure, with the lowest and the highest."
    )
    tables = [
        TextTable("Explanations", ("what", ">measured"), tuple(figures(results))),
        goals_table(list(judge(results))),
    ]
    tell(head, tables, asdict(results), out=out, markdown=markdown_file)


if __name__ == "__main__":
    run_command("benchmarks.saliency", main)
