"""Terminal tables of `duet models`: versions, manifests, gate reports, the audit trail and comparisons."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from core.comparison.schemas import EvaluatedModel, MetricsComparison
from core.gate.report import GateReport
from core.records.latency import Latency
from core.repository.alias_files import Promotion
from core.repository.manifest import Manifest
from core.repository.repository import Layer
from core.statistics.intervals import ConfidenceInterval

_NO_WRAP = ("check", "passed", "version", "layer", "created", "time", "family", "action")
_WIDE = 100
"""Minimum terminal width at which a score and its interval are printed on one line."""
_ROWS = 100
"""Maximum number of classes in a table."""
_Row = tuple[str, ...]


def print_summaries(rows: Iterable[dict[str, Any]]) -> None:
    """Print one line per version for `duet models list`; a `*` marks each champion."""
    table = _table("version", "", "layer", "created", ">test\naccuracy", ">images", ">parameters", ">size")
    damaged = []
    for row in rows:
        reference, mark = f"{row['family']}@{row['version']}", "*" if row["champion"] else ""
        if row["error"]:
            _add(table, reference, mark, "damaged")
            damaged.append(Text(row["error"]))
            continue
        created = f"{datetime.fromisoformat(row['created_at']).astimezone():%Y-%m-%d}"
        accuracy, images, parameters = (
            f"{row['test_accuracy']:.2%}",
            f"{row['test_images']:,}",
            f"{row['parameters']:,}",
        )
        _add(table, reference, mark, row["layer"], created, accuracy, images, parameters, _size(row["bytes"]))
    Console().print(table, *damaged, sep="\n")


def print_manifest(manifest: Manifest, *, folder: Path, layer: Layer, champion: bool) -> None:
    """Print the fields of a manifest, one table per section, and a table of its files."""
    fields = manifest.model_dump(mode="json", exclude={"files"})
    general = {name: value for name, value in fields.items() if not isinstance(value, dict)}
    place = {"champion": "yes" if champion else "no", "layer": layer, "folder": str(folder)}
    console = Console()
    console.print(_pairs(manifest.reference, general | place))
    for name, value in fields.items():
        if isinstance(value, dict):
            console.print(_pairs(name, value))
    files = _table("file", ">size", "sha256", title="files")
    for name, record in manifest.files.items():
        _add(files, name, _size(record.bytes), record.sha256[:16])
    console.print(files)


def print_promotions(promotions: Iterable[Promotion], *, title: str | None = None) -> None:
    """Print one line per entry of the audit trail; promotions that the gate refused are marked as forced."""
    table = _table(">entry", "time", "family", "action", "version", "by", "reason", title=title)
    for entry in promotions:
        moved = f"deleted {entry.from_version}" if entry.action == "delete" else _moved(entry)
        action = f"{entry.action} (forced)" if (entry.evidence or {}).get("forced") else entry.action
        _add(table, str(entry.entry), _time(entry.at), entry.family, action, moved, entry.actor, entry.reason)
    Console().print(table)


def print_verdicts(report: GateReport) -> None:
    """Print one line per check of the gate and one per class."""
    table = _table("check", "passed", "finding")
    for verdict in report.verdicts:
        passed = "not measured" if verdict.value is None else _mark(verdict.passed)
        _add(table, verdict.name.replace("_", " "), passed, verdict.sentence)
    for name, context in (("images", report.shared), ("error budget", report.attempt), ("power", report.power)):
        if context is not None:
            _add(table, name, "", context.sentence)
    classes = _table("class", ">images", f">{report.family}@{report.candidate}", ">champion", ">p, worse", "passed")
    for one in report.classes:
        shares = f"{one.candidate:.1%}", f"{one.champion:.1%}"
        _add(classes, one.label, f"{one.images:,}", *shares, f"{one.p:.2g}", _mark(one.passed))
    Console().print(table, *([classes] if report.classes else []))


def print_comparison(comparison: MetricsComparison) -> None:
    """Print the verdict, the tables of scores, classes, robustness (if measured) and cost, and the notes."""
    console = Console()
    names = [f"{side.model}@{side.version}" for side in (comparison.first, comparison.second)]
    console.print(Text(comparison.significance.sentence))
    scores = [row if console.width >= _WIDE else _stacked(row) for row in _scores(comparison)]
    console.print(_rows("", *(f">{name}" for name in names), ">difference", rows=scores))
    console.print(
        _rows(
            "recall",
            ">images",
            *(f">{name}" for name in names),
            ">points",
            ">p, Holm",
            "",
            rows=_classes(comparison),
        )
    )
    console.print("* significant at the 5 % level after Holm's correction over the classes", highlight=False)
    if comparison.robustness is not None:
        title = f"accuracy, {comparison.robustness.benchmark}"
        console.print(_rows(title, *(f">{name}" for name in names), ">points", rows=_robustness(comparison)))
    console.print(_rows("cost", *(f">{name}" for name in names), rows=_cost(comparison.first, comparison.second)))
    for note in comparison.notes:
        console.print(Text(f"note: {note}"))


def _moved(entry: Promotion) -> str:
    return " -> ".join(
        "none" if version is None else str(version) for version in (entry.from_version, entry.to_version)
    )


def _mark(passed: bool) -> str:
    return "yes" if passed else "no"


def _table(*columns: str, title: str | None = None) -> Table:
    """Create an empty table; columns whose names start with `>` are right-aligned, and their figures do not wrap."""
    table = Table(box=box.SIMPLE, title=title, title_justify="left", collapse_padding=True)
    for column in columns:
        right = column.startswith(">")
        table.add_column(
            column.removeprefix(">"),
            justify="right" if right else "left",
            overflow="fold",
            no_wrap=right or column in _NO_WRAP,
        )
    return table


def _add(table: Table, *cells: str) -> None:
    # Text instead of str: rich parses str as markup, and a reason may contain brackets.
    table.add_row(*(Text(cell) for cell in cells))


def _pairs(title: str, values: dict[str, Any]) -> Table:
    table = Table(box=box.SIMPLE, title=title, title_justify="left", show_header=False)
    table.add_column()
    table.add_column(overflow="fold")
    for name, value in _leaves(values):
        _add(table, name, value)
    return table


def _leaves(tree: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Return the dotted name and text of every leaf of nested dictionaries."""
    leaves: list[tuple[str, str]] = []
    for name, value in tree.items():
        if isinstance(value, dict):
            leaves += _leaves(value, f"{prefix}{name}.")
        else:
            leaves.append((f"{prefix}{name}", _plain(value)))
    return leaves


def _plain(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(_plain, value))
    return str(value)


def _time(moment: datetime) -> str:
    return moment.astimezone().strftime("%Y-%m-%d %H:%M")


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB" if count >= 1e3 else f"{count} B"


def _scores(comparison: MetricsComparison) -> Iterable[_Row]:
    first, second = comparison.first, comparison.second
    images = f"accuracy on {comparison.paired.images:,} test images"
    yield _shares(images, first.scores.accuracy, second.scores.accuracy, comparison.paired.difference)
    yield _shares("macro F1", first.scores.macro.f1, second.scores.macro.f1)
    yield _shares("top-2 accuracy", first.scores.top2_accuracy, second.scores.top2_accuracy)
    one, other = first.probability, second.probability
    yield _shares("calibration error", one.ece, other.ece, comparison.ece_difference)
    perfect = [each.ece_if_calibrated for each in (one, other)]
    yield "  if calibrated, mean", *(f"{each.mean:.2%}" for each in perfect), ""
    yield "  if calibrated, 95th percentile", *(f"{each.percentile_95:.2%}" for each in perfect), ""
    yield _numbers("log loss", one.log_loss, other.log_loss, comparison.log_loss_difference)
    yield _numbers("Brier score", one.brier, other.brier, comparison.brier_difference)
    agreement = f"{comparison.paired.agreement:.1%}"
    kappa = comparison.paired.cohen_kappa
    yield "agreement", agreement, "", "" if kappa is None else f"kappa {kappa:.3f}"


def _classes(comparison: MetricsComparison) -> Iterable[_Row]:
    """Recall of each class; of more than `_ROWS` classes, those with the lowest p."""
    rows = comparison.per_class
    if len(rows) > _ROWS:
        rows = tuple(sorted(rows, key=lambda row: row.p)[:_ROWS])
    for row in rows:
        figures = f"{row.first.value:.1%}", f"{row.second.value:.1%}", _points(row.difference)
        yield row.label, f"{row.images:,}", *figures, f"{row.holm_p:.2g}", "*" if row.significant else ""


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


def _stacked(row: _Row) -> _Row:
    """Return the row with each interval below its value."""
    return tuple(cell.replace(" (", "\n(") for cell in row)


def _milliseconds(latency: Latency | None) -> str:
    timing = latency and latency.of("fp32", 1)
    return f"{timing.ms.value:.2f} ms" if timing else "not measured"


def _shares(
    name: str, first: ConfidenceInterval, second: ConfidenceInterval, difference: ConfidenceInterval | None = None
) -> _Row:
    figures = (f"{each.value:.2%} ({each.low:.2%} to {each.high:.2%})" for each in (first, second))
    return name, *figures, "" if difference is None else _points(difference)


def _numbers(name: str, first: ConfidenceInterval, second: ConfidenceInterval, difference: ConfidenceInterval) -> _Row:
    figures = (f"{each.value:.4f} ({each.low:.4f} to {each.high:.4f})" for each in (first, second))
    return name, *figures, f"{difference.value:+.4f} ({difference.low:+.4f} to {difference.high:+.4f})"


def _points(estimate: ConfidenceInterval) -> str:
    value, low, high = (100 * each for each in (estimate.value, estimate.low, estimate.high))
    return f"{value:+.2f} ({low:+.2f} to {high:+.2f})"


def _rows(*columns: str, rows: Iterable[_Row]) -> Table:
    table = _table(*columns)
    for row in rows:
        _add(table, *row)
    return table
