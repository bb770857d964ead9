"""The command `python -m benchmarks.pages`."""

from __future__ import annotations

import operator
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from benchmarks.command import run_command, terminal
from benchmarks.pages.curves import curve_delays_ms
from benchmarks.pages.drops import Drop, drops, pictures
from benchmarks.pages.loads import Load, loads
from benchmarks.serving.goals import Goal, compared
from benchmarks.serving.machine import cpu_name
from benchmarks.serving.report import drawn, piped
from benchmarks.serving.spread import spread
from benchmarks.serving.tables import TextTable, goals_table
from tests.support.browser import CHROMIUM, chromium, served_site

MAX_KILOBYTES = 300.0
MAX_USABLE_MS = 1000.0
MAX_BEYOND_MS = 150.0
MAX_CURVE_MS = 300.0


def main(
    rounds: Annotated[int, typer.Option(min=1, max=50, help="Visits of each page, drops of each picture.")] = 5,
    curves: Annotated[bool, typer.Option("--curves/--no-curves", help="Also follow a job's live curve.")] = True,
    markdown_file: Annotated[Path | None, typer.Option("--markdown", help="Write the tables here.")] = None,
) -> None:
    """Measure the web pages of a real duet serve in a real Chromium."""
    if CHROMIUM is None:
        raise typer.BadParameter("no chromium on PATH; Debian's package `chromium` will do")
    busy = os.getloadavg()[0]
    with chromium() as browser, _folder() as folder:
        with served_site(folder / "home", DUET_EMBEDDED_BROKER="0") as service:
            loaded = list(loads(browser, service.url, rounds))
            dropped = list(drops(browser, service.url, pictures(), rounds))
        delays_ms = list(curve_delays_ms(browser, folder / "trainings", 4 * rounds)) if curves else []
    tables = [_table(loaded, dropped), goals_table(list(_goals(loaded, dropped, delays_ms)))]
    head = f"{cpu_name()}, {os.cpu_count()} cores, load average {busy:.1f} at the start; {rounds} rounds, medians."
    console = terminal()
    console.print(Text(head))
    for table in tables:
        console.print(drawn(table))
    if markdown_file is not None:
        parts = [head, *(f"### {table.title}\n\n{piped(table)}" for table in tables)]
        markdown_file.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _goals(loaded: Sequence[Load], dropped: Sequence[Drop], delays_ms: Sequence[float]) -> Iterator[Goal]:
    for name in dict.fromkeys(load.page for load in loaded):
        of_page = [load for load in loaded if load.page == name]
        weight, usable = spread(load.kilobytes for load in of_page), spread(load.usable_ms for load in of_page)
        yield compared(f"{name}: weight, kB", weight, operator.le, MAX_KILOBYTES, digits=0)
        yield compared(f"{name}: usable, ms", usable, operator.le, MAX_USABLE_MS, digits=0)
    for name in dict.fromkeys(drop.picture for drop in dropped):
        beyond = spread(drop.beyond_ms for drop in dropped if drop.picture == name)
        yield compared(
            f"{name}: drop to both answers, less the models, ms", beyond, operator.le, MAX_BEYOND_MS, digits=0
        )
    if delays_ms:
        yield compared("event stored to point on the curve, ms", spread(delays_ms), operator.le, MAX_CURVE_MS, digits=0)


def _table(loaded: Sequence[Load], dropped: Sequence[Drop]) -> TextTable:
    rows = [
        (f"{name}: requests", spread(load.requests for load in loaded if load.page == name).text(0))
        for name in dict.fromkeys(load.page for load in loaded)
    ]
    for name in dict.fromkeys(drop.picture for drop in dropped):
        of_picture = [drop for drop in dropped if drop.picture == name]
        rows.append((f"{name}: drop to both answers, ms", spread(drop.shown_ms for drop in of_picture).text(0)))
        rows.append((f"{name}: the models' own time, ms", spread(drop.models_ms for drop in of_picture).text(1)))
    return TextTable("Pages", ("what", ">measured"), tuple(rows))


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="duet-pages-") as name:
        yield Path(name)


if __name__ == "__main__":
    run_command("benchmarks.pages", main)
