"""The command `python -m benchmarks.training`."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console

from benchmarks.command import run_command, terminal
from benchmarks.serving.machine import cpu_name
from benchmarks.serving.report import drawn, piped
from benchmarks.serving.tables import TextTable
from benchmarks.training.images import few_images
from benchmarks.training.run import Results, run
from benchmarks.training.tables import tables
from core.cores import available_cores
from core.recipes import recipe_config
from training.data.load import load_images
from training.fit.dtype import pick_device

QUICK_IMAGES = 1_000


def main(
    recipes: Annotated[list[str] | None, typer.Argument(help="By default cnn_fast and mlp_labels.")] = None,
    target: Annotated[
        float, typer.Option(min=0, max=1, help="Validation accuracy to race to; 0: time steps alone.")
    ] = 0.0,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of the race, at most.")] = 8,
    steps: Annotated[int, typer.Option(min=1, help="Steps that are timed.")] = 10,
    threads: Annotated[int | None, typer.Option(min=1, help="By default all available cores.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A smoke run of seconds, whose figures say little.")] = False,
    data_dir: Annotated[Path | None, typer.Option(help="Folder with CIFAR-10; by default DUET_DATA_DIR.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write everything that was measured here, as JSON.")] = None,
    markdown_file: Annotated[Path | None, typer.Option("--markdown", help="Write the tables here.")] = None,
) -> None:
    """Measure how fast recipes train, where the time goes, and a plain PyTorch loop beside them."""
    images = load_images("cifar10", data_dir)
    if quick:
        images, epochs, steps, target = few_images(images, QUICK_IMAGES), 1, 2, target or 0.99
    load_average = os.getloadavg()[0]
    threads = threads or available_cores()
    console = Console(stderr=True, soft_wrap=True)
    results: list[Results] = []
    for name in recipes or ["cnn_fast", "mlp_labels"]:
        config = recipe_config(name).with_overrides({"epochs": epochs})
        results.append(
            run(config, images, target=target, steps=steps, threads=threads, device=pick_device(), console=console)
        )
    head = (
        f"{cpu_name()}, {threads} threads; load average {load_average:.1f} at the start. Parts of a step are medians "
        f"over {steps} steps."
    )
    shown = tables(results)
    print_to = terminal()
    print_to.print(head)
    for table in shown:
        print_to.print(drawn(table))
    if out is not None:
        out.write_bytes(orjson.dumps([asdict(one) for one in results], option=orjson.OPT_INDENT_2))
    if markdown_file is not None:
        markdown_file.write_text(_markdown(head, shown), encoding="utf-8")


def _markdown(head: str, shown: list[TextTable]) -> str:
    return "\n\n".join([head, *(f"### {table.title}\n\n{piped(table)}" for table in shown)]) + "\n"


if __name__ == "__main__":
    run_command("benchmarks.training", main)
