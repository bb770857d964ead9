"""Console reporter."""

from __future__ import annotations

import io

from rich.console import Console

from training.run.reporter import ConsoleReporter


def test_note_is_printed_verbatim() -> None:
    shown = io.StringIO()
    reporter = ConsoleReporter(Console(file=shown, width=40))
    text = "2 files left out: cat/[copy] tom.png (no image); cat/x[/y]:cat:.png (no image)"
    reporter.note(text)
    assert shown.getvalue() == text + "\n"
