"""What a terminal shows of a run."""

from __future__ import annotations

import io

from rich.console import Console

from training.run.reporter import ConsoleReporter


def test_a_note_is_shown_as_it_is() -> None:
    shown = io.StringIO()
    reporter = ConsoleReporter(Console(file=shown, width=40))
    text = "2 files left out: cat/[copy] tom.png (no image); cat/x[/y]:cat:.png (no image)"
    reporter.note(text)
    assert shown.getvalue() == text + "\n"
