"""The command `python -m benchmarks.promotion`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.command import run_command, terminal
from benchmarks.promotion.bench import Plan, run
from benchmarks.promotion.home import FAMILY, make_home
from benchmarks.promotion.results import Results
from benchmarks.serving.pictures import drawn_pictures
from core.files.home import shipped_models

PICTURES = 64


def main(
    workers: Annotated[str, typer.Option(help="API processes, such as 1,2.")] = "1,2",
    clients: Annotated[int, typer.Option(min=1, max=1000, help="Requests at a time.")] = 200,
    switches: Annotated[int, typer.Option(min=1, help="Promotions and rollbacks, at least.")] = 6,
    answers: Annotated[int, typer.Option(min=1, help="Requests in each run, at least.")] = 5_000,
    models: Annotated[Path | None, typer.Option(help="Folder of model versions; the shipped one by default.")] = None,
) -> None:
    """Promote the shipped cnn over the shipped mlp and roll back, under load, and print what the clients saw."""
    progress = Console(stderr=True)
    results = []
    for count in (int(word) for word in workers.split(",")):
        progress.print(f"{count} API process(es), {clients} requests at a time")
        with tempfile.TemporaryDirectory() as folder:
            height, width = make_home(Path(folder), models or shipped_models())
            pngs = drawn_pictures(PICTURES, height=height, width=width).pngs
            plan = Plan(Path(folder), FAMILY, pngs, workers=count, clients=clients, switches=switches, answers=answers)
            results.append(run(plan))
    console = terminal()
    console.print(_summary(results))
    console.print(_switches(results))
    if any(one.problems for one in results):
        for problem in sorted({problem for one in results for problem in one.problems})[:10]:
            progress.print(problem, markup=False)
        raise typer.Exit(1)


def _summary(results: list[Results]) -> Table:
    table = Table(box=box.SIMPLE, title="requests", title_justify="left")
    for column in ("processes", "at a time", "answered", "failed or mixed", "switches"):
        table.add_column(column, justify="right")
    for column in ("p50, p99 in ms while champions change", "p50, p99 in ms otherwise"):
        table.add_column(column, justify="right")
    for one in results:
        latencies = [
            ", ".join(f"{one.latency_ms(percent, switching=switching):.0f}" for percent in (50, 99))
            for switching in (True, False)
        ]
        counts = (one.workers, one.clients, len(one.seen), len(one.problems), len(one.switches))
        table.add_row(*(f"{count:,}" for count in counts), *latencies)
    return table


def _switches(results: list[Results]) -> Table:
    table = Table(box=box.SIMPLE, title="switches", title_justify="left")
    for column in ("processes", "switch", "to version", "answered after ms", "served then", "all followed after ms"):
        table.add_column(column, justify="right")
    for one in results:
        for place, switch in enumerate(one.switches):
            table.add_row(
                str(one.workers),
                switch.action,
                str(switch.version),
                f"{1000 * (switch.answered - switch.asked):.0f}",
                "yes" if switch.served else "no",
                f"{one.followed_ms(place):.0f}",
            )
    return table


if __name__ == "__main__":
    run_command("benchmarks.promotion", main)
