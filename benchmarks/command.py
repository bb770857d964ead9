"""How a command `python -m benchmarks.NAME` runs, and how it tells what it has measured."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import orjson
import typer
from rich.console import Console
from rich.text import Text

from benchmarks.serving.report import drawn, piped
from benchmarks.serving.tables import TextTable
from core.errors import DuetError

WIDTH_OF_FILES = 200


def run_command(name: str, main: Callable[..., None]) -> None:
    """Run `main` with what was typed; an error that the user can act on becomes one line on stderr and exit code 1."""
    # As Ctrl-C does, whose handler an event loop replaces while it runs: unwind, so that every process is stopped.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
    app.command()(main)
    try:
        app()
    except DuetError as error:
        print(f"{name}: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(1)


def terminal() -> Console:
    """Where results are printed; wide where that is a file."""
    return Console(width=None if sys.stdout.isatty() else WIDTH_OF_FILES)


def tell(
    head: str, tables: Sequence[TextTable], measured: dict[str, Any], *, out: Path | None, markdown: Path | None
) -> None:
    """Print the head and the tables; write what was `measured` to `out` as JSON, and the tables to `markdown`."""
    console = terminal()
    console.print(Text(head))
    for table in tables:
        console.print(drawn(table))
    if out is not None:
        out.write_bytes(orjson.dumps(measured, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    if markdown is not None:
        markdown.write_text("\n\n".join([head, *map(piped, tables)]) + "\n", encoding="utf-8")
