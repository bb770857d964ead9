"""Console reporter."""

from __future__ import annotations

import io

from rich.console import Console

from training.run.checkpoint import EpochRecord
from training.run.reporter import ConsoleReporter


def test_note_is_printed_verbatim() -> None:
    shown = io.StringIO()
    reporter = ConsoleReporter(Console(file=shown, width=40))
    text = "2 files left out: cat/[copy] tom.png (no image); cat/x[/y]:cat:.png (no image)"
    reporter.note(text)
    assert shown.getvalue() == text + "\n"


def test_last_line_has_the_metrics_of_the_last_epoch() -> None:
    shown = io.StringIO()
    with ConsoleReporter(Console(file=shown, width=160)) as reporter:
        reporter.fit_started(steps=2, done=0, detail="")
        for epoch, validation in ((1, 0.411), (2, 0.522)):
            reporter.step(epoch=epoch, loss=1.5, accuracy=0.3 + epoch / 10)
            reporter.epoch(EpochRecord(epoch, 1.5, 0.3 + epoch / 10, 1.4, validation, 0.01, 3.0), 2)
        reporter.fit_ended()
    *lines, last = [line for line in shown.getvalue().splitlines() if line.strip()]
    assert "epoch 2  loss 1.500  train 50.0%  validation 52.2%" in last
    assert next(line for line in lines if line.startswith("epoch 2/2")).split()[6:8] == ["validation", "52.20%"]


def test_validation_accuracy_of_an_earlier_epoch_is_marked() -> None:
    shown = io.StringIO()
    with ConsoleReporter(Console(file=shown, width=160)) as reporter:
        reporter.fit_started(steps=4, done=0, detail="")
        reporter.epoch(EpochRecord(1, 1.5, 0.3, 1.4, 0.411, 0.01, 3.0), 2)
        reporter.step(epoch=2, loss=1.2, accuracy=0.5)
        reporter.fit_ended()
    assert "epoch 2  loss 1.200  train 50.0%  validation 41.1% (epoch 1)" in shown.getvalue()


def test_runs_without_validation_show_none() -> None:
    shown = io.StringIO()
    with ConsoleReporter(Console(file=shown, width=160)) as reporter:
        reporter.fit_started(steps=1, done=0, detail="")
        reporter.epoch(EpochRecord(1, 1.5, 0.3, None, None, 0.01, 3.0), 1)
        reporter.fit_ended()
    assert "validation" not in shown.getvalue()
