"""Terminal output of `duet models compare`: tables of scores, classes, robustness and cost."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from core.comparison.schemas import EvaluatedModel, MetricsComparison
from core.records.latency import Latency
from core.statistics.intervals import ConfidenceInterval

_Row = tuple[str, ...]


def print_comparison(comparison: MetricsComparison) -> None:
    """Print the verdict, the tables of scores, classes, robustness (if measured) and cost, and the notes."""
    console = Console()
    names = [f"{side.model}@{side.version}" for side in (comparison.first, comparison.second)]
    console.print(Text(comparison.significance.sentence))
    console.print(_table("", *(f">{name}" for name in names), ">difference", rows=_scores(comparison)))
    console.print(
        _table("class, recall", *(f">{name}" for name in names), ">points", ">p, Holm", "", rows=_classes(comparison))
    )
    if comparison.robustness is not None:
        title = f"accuracy, {comparison.robustness.benchmark}"
        console.print(_table(title, *(f">{name}" for name in names), ">points", rows=_robustness(comparison)))
    console.print(_table("cost", *(f">{name}" for name in names), rows=_cost(comparison.first, comparison.second)))
    for note in comparison.notes:
        console.print(Text(f"note: {note}"))


def _scores(comparison: MetricsComparison) -> Iterable[_Row]:
    first, second = comparison.first, comparison.second
    yield _shares("accuracy", first.scores.accuracy, second.scores.accuracy, comparison.paired.difference)
    yield _shares("macro F1", first.scores.macro.f1, second.scores.macro.f1)
    yield _shares("top-2 accuracy", first.scores.top2_accuracy, second.scores.top2_accuracy)
    one, other = first.probability, second.probability
    yield _shares("calibration error", one.ece, other.ece, comparison.ece_difference)
    perfect = (each.ece_if_calibrated for each in (one, other))
    beside = (f"{each.mean:.2%} (95th percentile {each.percentile_95:.2%})" for each in perfect)
    yield "  of a perfectly calibrated model", *beside, ""
    yield _plain("log loss", one.log_loss, other.log_loss, comparison.log_loss_difference)
    yield _plain("Brier score", one.brier, other.brier, comparison.brier_difference)
    agreement = f"{comparison.paired.agreement:.1%}"
    kappa = comparison.paired.cohen_kappa
    yield "agreement", agreement, "", "" if kappa is None else f"kappa {kappa:.3f}"


def _classes(comparison: MetricsComparison) -> Iterable[_Row]:
    for row in comparison.per_class:
        figures = f"{row.first.value:.1%}", f"{row.second.value:.1%}", _points(row.difference)
        yield row.label, *figures, f"{row.holm_p:.2g}", "significant" if row.significant else ""


def _robustness(comparison: MetricsComparison) -> Iterable[_Row]:
    found = comparison.robustness
    assert found is not None  # noqa: S101  checked by the caller
    yield "clean", f"{found.first_clean.value:.1%}", f"{found.second_clean.value:.1%}", ""
    for row in (found.all_corruptions, *(condition.mean for condition in found.conditions)):
        name = row.name.replace("_", " ")
        yield name, f"{row.first.value:.1%}", f"{row.second.value:.1%}", _points(row.difference)
    flagged = ["-" if rate is None else f"{rate:.1%}" for rate in (found.first_flag_rate, found.second_flag_rate)]
    yield "flagged, all corruptions", *flagged, ""


def _cost(first: EvaluatedModel, second: EvaluatedModel) -> Iterable[_Row]:
    rows: tuple[tuple[str, Callable[[EvaluatedModel], str]], ...] = (
        ("parameters", lambda side: f"{side.cost.parameters:,}"),
        ("multiply-accumulates", lambda side: f"{side.cost.macs / 1e6:,.1f} M"),
        ("model in fp32", lambda side: f"{side.served_bytes / 1e6:.1f} MB"),
        ("training", _training),
        ("one image, one thread", lambda side: _milliseconds(side.latency)),
    )
    for name, figure in rows:
        yield name, figure(first), figure(second)


def _training(side: EvaluatedModel) -> str:
    cost = side.cost
    epochs = f"{cost.epochs} epochs, {cost.training_seconds / 60:.1f} min"
    return epochs if cost.teacher_seconds is None else f"{epochs}, teacher {cost.teacher_seconds / 60:.1f} min"


def _milliseconds(latency: Latency | None) -> str:
    timing = latency and latency.of("fp32", 1)
    return f"{timing.ms.value:.2f} ms" if timing else "not measured"


def _shares(
    name: str, first: ConfidenceInterval, second: ConfidenceInterval, difference: ConfidenceInterval | None = None
) -> _Row:
    figures = (f"{each.value:.2%} ({each.low:.2%} to {each.high:.2%})" for each in (first, second))
    return name, *figures, "" if difference is None else _points(difference)


def _plain(name: str, first: ConfidenceInterval, second: ConfidenceInterval, difference: ConfidenceInterval) -> _Row:
    figures = (f"{each.value:.4f} ({each.low:.4f} to {each.high:.4f})" for each in (first, second))
    return name, *figures, f"{difference.value:+.4f} ({difference.low:+.4f} to {difference.high:+.4f})"


def _points(estimate: ConfidenceInterval) -> str:
    value, low, high = (100 * each for each in (estimate.value, estimate.low, estimate.high))
    return f"{value:+.2f} ({low:+.2f} to {high:+.2f})"


def _table(*columns: str, rows: Iterable[_Row]) -> Table:
    """Build a table; columns whose names start with `>` are right-aligned."""
    table = Table(box=box.SIMPLE)
    for column in columns:
        table.add_column(column.removeprefix(">"), justify="right" if column.startswith(">") else "left")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table
