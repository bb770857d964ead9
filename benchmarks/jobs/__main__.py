"""The command `python -m benchmarks.jobs`."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.command import run_command, tell
from benchmarks.jobs.goals import figures, judge
from benchmarks.jobs.run import PARTS, Plan, run
from benchmarks.serving.machine import cpu_name
from benchmarks.serving.plan import choose, split
from benchmarks.serving.tables import TextTable, goals_table
from core.files.home import shipped_models

QUICK_ROUNDS, QUICK_SECONDS = 1, 2.0


def main(
    only: Annotated[str, typer.Option(help=f"Some of {', '.join(PARTS)}.")] = "",
    rounds: Annotated[int, typer.Option(min=1, max=50, help="Rounds over all parts.")] = 5,
    seconds: Annotated[float, typer.Option(min=1, max=120, help="Length of one measurement.")] = 15.0,
    rate: Annotated[float, typer.Option(min=1, max=5000, help="Predictions per second.")] = 100.0,
    recipe: Annotated[str, typer.Option(help="Of the training.")] = "cnn_baseline",
    models: Annotated[Path | None, typer.Option(help="Folder of model versions; the shipped one by default.")] = None,
    family: Annotated[str, typer.Option(help="Whose champion predicts.")] = "cnn",
    job_nice: Annotated[int, typer.Option(min=0, max=19, help="DUET_JOB_NICE of the service.")] = 10,
    job_idle: Annotated[bool, typer.Option("--job-idle", help="Set DUET_JOB_IDLE.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="A smoke run; its figures say little.")] = False,
    out: Annotated[Path | None, typer.Option(help="Write everything that was measured here, as JSON.")] = None,
    markdown_file: Annotated[Path | None, typer.Option("--markdown", help="Write the tables here.")] = None,
) -> None:
    """Measure how soon jobs begin and are heard of, and predictions beside a training, on a real duet serve."""
    if quick:
        rounds, seconds = QUICK_ROUNDS, QUICK_SECONDS
    data_dir = os.environ.get("DUET_DATA_DIR")
    plan = Plan(
        models=(models or shipped_models()).absolute(),
        family=family,
        data_dir=Path(data_dir).absolute() if data_dir else None,
        recipe=recipe,
        parts=choose("--only", split(only), PARTS),
        rounds=rounds,
        seconds=seconds,
        per_second=rate,
        job_nice=job_nice,
        job_idle=job_idle,
    )
    load_average = os.getloadavg()[0]
    words, results = run(plan, Console(stderr=True, soft_wrap=True))
    manners = f"DUET_JOB_NICE {job_nice}{', DUET_JOB_IDLE' * job_idle}"
    head = (
        f"{words}. {cpu_name()}, {len(os.sched_getaffinity(0))} cores; load average {load_average:.1f} at the start; "
        f"{rate:g} predictions/s; {manners}; {rounds} round{'s' * (rounds != 1)} of {seconds:g} s per measurement. The "
        "median over jobs or rounds, with the lowest and the highest."
    )
    tables = [TextTable("Jobs", ("what", ">measured"), tuple(figures(results))), goals_table(list(judge(results)))]
    tell(head, tables, asdict(results), out=out, markdown=markdown_file)


if __name__ == "__main__":
    run_command("benchmarks.jobs", main)
