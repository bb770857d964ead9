"""How results are shown: tables in the terminal, a Markdown page for the documentation, JSON for everything else."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import orjson
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmarks.serving.goals import judge
from benchmarks.serving.results import Results
from benchmarks.serving.tables import TextTable, head_lines, tables


def print_report(results: Results, console: Console) -> None:
    """Draw every table in the terminal."""
    for line in head_lines(results):
        console.print(Text(line))
    for table in tables(results):
        console.print(drawn(table))
    for line in results.left_out:
        console.print(Text(f"left out: {line}"))


def markdown(results: Results) -> str:
    """The same as a part of a Markdown page."""
    parts = ["\n".join(head_lines(results))]
    parts += [f"### {table.title}\n\n{piped(table)}" for table in tables(results)]
    if results.left_out:
        parts.append("Left out:\n\n" + "\n".join(f"- {line}" for line in results.left_out))
    return "\n\n".join(parts) + "\n"


def write_json(results: Results, path: Path) -> None:
    """Every sample of every round, and the verdicts, to `path`; a figure that does not exist is null."""
    content = {**asdict(results), "goals": [asdict(goal) for goal in judge(results)]}
    path.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def drawn(table: TextTable) -> Table:
    """A table for the terminal."""
    shown = Table(box=box.SIMPLE, title=table.title, title_justify="left")
    for heading in table.headings:
        shown.add_column(heading.removeprefix(">"), justify="right" if heading.startswith(">") else "left")
    for row in table.rows:
        shown.add_row(*map(Text, row))
    return shown


def piped(table: TextTable) -> str:
    """A table for a Markdown page."""
    head = " | ".join(heading.removeprefix(">") for heading in table.headings)
    rule = "|".join("---:" if heading.startswith(">") else "---" for heading in table.headings)
    rows = [f"| {' | '.join(row)} |" for row in table.rows]
    return "\n".join([f"| {head} |", f"|{rule}|", *rows])
