"""The command `python -m benchmarks.serving`."""

from __future__ import annotations

import os
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.command import run_command, terminal
from benchmarks.serving.plan import Plan, choose, client_count, split
from benchmarks.serving.report import markdown, print_report, write_json
from benchmarks.serving.results import BODIES, PRECISIONS
from benchmarks.serving.run import run
from core.files.home import shipped_models


class Generator(StrEnum):
    """What makes the load of the closed loop."""

    auto = "auto"
    wrk = "wrk"
    python = "python"


def main(
    only: Annotated[
        str, typer.Option(help="Targets (duet, naive, mosec) and parts (load, overload, workers, start, memory).")
    ] = "",
    clients: Annotated[str, typer.Option(help="Clients at a time, such as 1,32.")] = "",
    precision: Annotated[str, typer.Option(help="fp32, int8 or both.")] = "",
    body: Annotated[str, typer.Option(help="multipart, raw or both.")] = "",
    seconds: Annotated[float | None, typer.Option(min=0.2, max=60, help="Length of one measurement.")] = None,
    rounds: Annotated[int | None, typer.Option(min=1, max=20, help="Rounds over all targets.")] = None,
    models: Annotated[Path | None, typer.Option(help="Folder of model versions; the shipped one by default.")] = None,
    family: Annotated[str, typer.Option(help="Whose champion is measured.")] = "cnn",
    generator: Annotated[Generator, typer.Option(help="wrk where it is installed, by default.")] = Generator.auto,
    quick: Annotated[bool, typer.Option("--quick", help="A smoke run of seconds, whose figures say little.")] = False,
    out: Annotated[Path | None, typer.Option(help="Write everything that was measured here, as JSON.")] = None,
    markdown_file: Annotated[Path | None, typer.Option("--markdown", help="Write the tables here.")] = None,
) -> None:
    """Measure the service on one core against onnxruntime's own speed there, and beside a naive server and Mosec."""
    plan = Plan(models=(models or shipped_models()).absolute(), family=family)
    if quick:
        plan = plan.quick()
    plan = plan.only(split(only))
    plan = replace(
        plan,
        clients=tuple(map(client_count, split(clients))) or plan.clients,
        precisions=choose("--precision", split(precision), PRECISIONS),
        bodies=choose("--body", split(body), BODIES),
        rounds=rounds or plan.rounds,
        seconds=seconds or plan.seconds,
    )
    data_dir = os.environ.get("DUET_DATA_DIR")
    progress = Console(stderr=True, soft_wrap=True)
    results = run(plan, generator=generator, data_dir=Path(data_dir) if data_dir else None, console=progress)
    print_report(results, terminal())
    if out is not None:
        write_json(results, out)
    if markdown_file is not None:
        markdown_file.write_text(markdown(results), encoding="utf-8")


if __name__ == "__main__":
    run_command("benchmarks.serving", main)
