"""Folder benchmark: files per second of `duet predict` against images per second of its engine alone.

Both run with the same number of threads in turn. The command starts a process, lists and decodes the files, and writes
the table; its start is also measured, with one file. The engine alone is `session.run` on ready arrays.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.common import report as reports
from benchmarks.common.inputs import Engine, Images, Model, find_model
from benchmarks.common.machine import describe_machine
from benchmarks.common.report import BenchmarkError, Figures, Goal, append, check_goals, choose, figure_tables
from core.cpu import available_cores
from core.files.home import shipped_models
from service.models.offline import BATCH

GOALS = (Goal("*: files/s over images/s of the engine", ">=", 0.9),)


def main(
    images: Annotated[int, typer.Option(min=1, help="Number of pictures in the folder.")] = 10_000,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds over all engines.")] = 3,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of both; by default all cores.")] = None,
    engine: Annotated[str, typer.Option(help="Only these engines, such as cpu-fp32,openvino-bf16.")] = "",
    family: reports.Family = "cnn",
    models: reports.Models = None,
    out: reports.Out = None,
    markdown: reports.Markdown = None,
) -> None:
    """Compare duet predict with its engine; exit with code 1 if it is slower than its goal."""
    model = find_model(family, models or shipped_models())
    threads = threads or available_cores()
    engines = {f"{each.provider}-{each.precision}": each for each in model.engines()}
    chosen = [engines[name] for name in choose("--engine", engine, tuple(engines))]
    head = (
        f"{describe_machine()} {model.manifest.reference}, {images:,} PNG files, {threads} threads. "
        f"Medians of {rounds} rounds."
    )
    drawn = model.draw_images(images)
    figures: Figures = {}
    with tempfile.TemporaryDirectory(prefix="duet-folder-") as name:
        folders = Folders(Path(name), drawn)
        for each in chosen:
            folders.predict(model, each, threads, folders.one)  # measures the providers, once per home
        for _ in range(rounds):
            for each in chosen:
                append(figures, measure(folders, model, each, threads, drawn))
    reports.report(head, figure_tables("Folder", figures, GOALS), figures, out=out, markdown=markdown)
    if not all(verdict.met for verdict in check_goals(GOALS, figures)):
        raise typer.Exit(1)


class Folders:
    """Folders in `root`: all pictures, one picture, and the home of the command."""

    def __init__(self, root: Path, drawn: Images) -> None:
        self.all, self.one, self._home = root / "all", root / "one", root / "home"
        self._table = root / "table.csv"
        for folder, pngs in ((self.all, drawn.pngs), (self.one, drawn.pngs[:1])):
            folder.mkdir()
            for number, png in enumerate(pngs):
                (folder / f"{number:06}.png").write_bytes(png)

    def predict(self, model: Model, engine: Engine, threads: int, folder: Path) -> float:
        """Predict a folder with `duet predict` and return the seconds.

        Raises:
            BenchmarkError: the command failed.
        """
        self._table.unlink(missing_ok=True)
        command = [sys.executable, "-m", "duet", "predict", str(folder), "--out", str(self._table)]
        command += ["--model", model.manifest.reference, "--precision", engine.precision, "--threads", str(threads)]
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("DUET_")}
        own = {"HOME": self._home, "SHIPPED_MODELS": model.models, "PROVIDERS": engine.provider}
        environment = inherited | {f"DUET_{name}": str(value) for name, value in own.items()}
        started = time.perf_counter()
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - started
        if done.returncode != 0:
            raise BenchmarkError(f"duet predict failed with {engine}: {done.stderr.strip()}")
        return seconds


def measure(folders: Folders, model: Model, engine: Engine, threads: int, drawn: Images) -> dict[str, float]:
    """Measure one round of an engine."""
    alone = len(drawn.pngs) / run_engine(model, engine, threads, drawn)
    start = folders.predict(model, engine, threads, folders.one)
    command = len(drawn.pngs) / folders.predict(model, engine, threads, folders.all)
    return {
        f"{engine}: images/s of the engine": alone,
        f"{engine}: files/s of duet predict": command,
        f"{engine}: start of duet predict, s": start,
        f"{engine}: files/s over images/s of the engine": command / alone,
    }


def run_engine(model: Model, engine: Engine, threads: int, drawn: Images) -> float:
    """Run the graph on all images, in batches and threads as the command has, and return the seconds."""
    session = engine.open(model.folder)
    pixels_NHWC = drawn.images_NHWC
    batches = [pixels_NHWC[first : first + BATCH] for first in range(0, len(pixels_NHWC), BATCH)]

    def run(batch_NHWC: object) -> None:
        session.run(None, {"images": batch_NHWC})

    for size in {len(batch) for batch in batches}:
        run(pixels_NHWC[:size])  # compiles the graph for the size
    with ThreadPoolExecutor(threads) as pool:
        started = time.perf_counter()
        list(pool.map(run, batches))
        return time.perf_counter() - started
