"""Goals, tables and command line of every benchmark suite."""

from __future__ import annotations

import signal
import statistics
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
import orjson
import typer
from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from core.errors import DuetError

FILE_WIDTH = 200
T = TypeVar("T", bound=str)

Figures = dict[str, list[float]]
"""Measured values by name, one value per round; the name includes the unit."""

Models = Annotated[Path | None, typer.Option(help="Folder of model versions; by default the shipped one.")]
Family = Annotated[str, typer.Option(help="Family whose champion is measured.")]
Out = Annotated[Path | None, typer.Option(help="JSON file for all samples.")]
Markdown = Annotated[Path | None, typer.Option("--markdown", help="Markdown file for the tables.")]


class BenchmarkError(DuetError):
    """The benchmark cannot run, or its figures would be wrong. The message says what to do."""


class SkippedError(Exception):
    """One part of a benchmark cannot be measured on this machine. The message is the reason that the report gives."""


@dataclass(frozen=True)
class Goal:
    """Limit for the median of a figure; `name` may contain wildcards, as in `*: weight, kB`."""

    name: str
    comparison: Literal["<=", ">="]
    value: float

    def met(self, values: Sequence[float]) -> bool:
        """Return whether the median of `values` keeps the limit; NaN does not."""
        median = statistics.median(values)
        return median <= self.value if self.comparison == "<=" else median >= self.value


@dataclass(frozen=True)
class Verdict:
    """One measured figure beside its goal."""

    name: str
    goal: str
    measured: str
    met: bool


@dataclass(frozen=True)
class TextTable:
    """Rows of text under headings; a heading with a leading `>` is right-aligned."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def check_goals(goals: Sequence[Goal], figures: Mapping[str, Sequence[float]]) -> list[Verdict]:
    """Compare each figure with the first goal of its name; figures without a goal are left out."""
    return [
        Verdict(name, f"{goal.comparison} {goal.value:g}", summary(values), goal.met(values))
        for name, values in figures.items()
        if (goal := _goal_of(name, goals)) is not None
    ]


def plain_table(title: str, figures: Mapping[str, Sequence[float]], goals: Sequence[Goal]) -> TextTable:
    """Return a table of the figures without a goal."""
    rows = tuple((name, summary(values)) for name, values in figures.items() if _goal_of(name, goals) is None)
    return TextTable(title, ("what", ">measured"), rows)


def figure_tables(title: str, figures: Mapping[str, Sequence[float]], goals: Sequence[Goal]) -> list[TextTable]:
    """Return a table of the figures without a goal and one of those with a goal; empty tables are left out."""
    tables = [plain_table(title, figures, goals), goals_table(check_goals(goals, figures))]
    return [table for table in tables if table.rows]


def columns_table(title: str, headings: tuple[str, ...], rows: Mapping[tuple[str, ...], Figures]) -> TextTable:
    """Return a table with one row per key; the columns are the figures, which all rows have."""
    columns = tuple(f">{name}" for figures in list(rows.values())[:1] for name in figures)
    return TextTable(title, headings + columns, tuple((*key, *map(summary, rows[key].values())) for key in rows))


def append(figures: Figures, found: Mapping[str, float]) -> None:
    """Append the values of one round."""
    for name, value in found.items():
        figures.setdefault(name, []).append(value)


def goals_table(verdicts: Sequence[Verdict]) -> TextTable:
    """Return the table of goals."""
    rows = tuple((one.name, one.goal, one.measured, "met" if one.met else "not met") for one in verdicts)
    return TextTable("Goals", ("what", "goal", "measured", ""), rows)


def summary(values: Sequence[float]) -> str:
    """Return `0.91 (0.90..0.92)`: median, lowest and highest value, or a single number if they are equal."""
    median, low, high = statistics.median(values), min(values), max(values)
    size = max(map(abs, (low, high)))
    digits = 0 if size >= 100 or all(float(value).is_integer() for value in values) else 1 if size >= 10 else 2
    if not low < high:
        return f"{median:,.{digits}f}"
    return f"{median:,.{digits}f} ({low:,.{digits}f}..{high:,.{digits}f})"


def percentile(values: Iterable[float], percent: float) -> float:
    """Return the smallest value that at least `percent` % of `values` do not exceed (nearest rank); NaN if empty."""
    array = np.asarray(list(values), np.float64)
    return float(np.percentile(array, percent, method="inverted_cdf")) if array.size else float("nan")


def choose(option: str, text: str, known: Sequence[T]) -> tuple[T, ...]:
    """Return the names of a comma-separated list, in the order of `known`; all of them if the list is empty.

    Raises:
        BenchmarkError: a name is unknown.
    """
    names = split(text)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise BenchmarkError(f"{option} {', '.join(unknown)}: choose from {', '.join(known)}")
    return tuple(name for name in known if name in names) or tuple(known)


def split(text: str) -> list[str]:
    """Split a comma-separated list."""
    return [name.strip() for name in text.split(",") if name.strip()]


def run_command(name: str, main: Callable[..., None]) -> None:
    """Run `main` with the command line; print a DuetError as one line on stderr and exit with code 1."""
    # Handle SIGTERM like Ctrl-C, so that context managers stop all servers. A shell that starts the benchmark in the
    # background makes it ignore SIGINT, so set both.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
    app.command()(main)
    try:
        app()
    except DuetError as error:
        print(f"{name}: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(1)


def progress_console() -> Console:
    """Return the console for progress lines, on stderr."""
    return Console(stderr=True, soft_wrap=True, highlight=False, markup=False)


def report(
    head: str, tables: Sequence[TextTable], samples: Any, *, out: Path | None = None, markdown: Path | None = None
) -> None:
    """Print the head and the tables; write `samples` to `out` as JSON and the tables to `markdown`."""
    console = Console(width=None if sys.stdout.isatty() else FILE_WIDTH)
    console.print(Text(head))
    for table in tables:
        shown = RichTable(box=box.SIMPLE, title=table.title, title_justify="left")
        for heading in table.headings:
            shown.add_column(heading.removeprefix(">"), justify="right" if heading.startswith(">") else "left")
        for row in table.rows:
            shown.add_row(*map(Text, row))
        console.print(shown)
    if out is not None:
        out.write_bytes(orjson.dumps(samples, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    if markdown is not None:
        parts = [head, *(f"### {table.title}\n\n{markdown_table(table)}" for table in tables)]
        markdown.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def markdown_table(table: TextTable) -> str:
    """Return the table in Markdown, without its title."""
    rule = ["---:" if heading.startswith(">") else "---" for heading in table.headings]
    headings = [heading.removeprefix(">") for heading in table.headings]
    return "\n".join(
        [f"| {' | '.join(headings)} |", f"|{'|'.join(rule)}|", *(f"| {' | '.join(r)} |" for r in table.rows)]
    )


def _goal_of(name: str, goals: Sequence[Goal]) -> Goal | None:
    return next((goal for goal in goals if fnmatchcase(name, goal.name)), None)
