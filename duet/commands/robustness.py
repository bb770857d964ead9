"""`duet evaluate --robustness`: accuracy of one or two versions under corruptions, shifts and attacks.

It also records the accuracy on corrupted holdout images if missing, which the promotion gate compares, and for versions
of two families the estimates of accuracy without labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from duet.commands.common import progress_bar

if TYPE_CHECKING:
    from rich.progress import Progress

    from core.records.label_free import LabelFree
    from core.records.robustness import ConditionFigure, Robustness
    from core.repository.manifest import Manifest
    from core.repository.repository import ModelRepository
    from core.statistics.intervals import ConfidenceInterval
    from training.data.split_dataset import Images


_FIGURES: dict[str, ConditionFigure] = {
    "flagged": "flag_rate",
    "mean confidence": "mean_confidence",
    "calibration error": "ece",
    "prediction-set coverage": "coverage",
}


def evaluate_robustness(
    repository: ModelRepository,
    manifests: Sequence[Manifest],
    images: Images,
    reports: Path,
    *,
    threads: int,
    quick: bool,
    all_images: bool,
) -> None:
    """Measure one or two versions, write their records to `reports`, print a table and draw figures.

    `quick` takes a few test images, `all_images` takes all, and otherwise a subset is measured.
    """
    from core.records.base import write_report
    from core.records.lookup import figures_folder, report_path
    from training.analysis.robustness.figures import write_robustness_figures
    from training.analysis.robustness.measure import IMAGES, QUICK_IMAGES, measure_robustness

    count = QUICK_IMAGES if quick else None if all_images else IMAGES
    measured = []
    with progress_bar() as progress:
        for manifest in manifests:
            task = progress.add_task(manifest.reference, total=None)

            def show(name: str, done: int, of: int, task: object = task, reference: str = manifest.reference) -> None:
                progress.update(task, description=f"{reference} {name}", completed=done, total=of)  # type: ignore[arg-type]

            path = report_path(reports, "robustness", manifest.reference, quick=quick)
            partial = path.with_suffix(".partial.jsonl")
            report = measure_robustness(
                manifest,
                repository.folder(manifest.family, manifest.version),
                images,
                partial,
                threads=threads,
                count=count,
                progress=show,
            )
            write_report(path, report)
            partial.unlink(missing_ok=True)
            measured.append(report)
            if not quick:
                progress.update(task, description=f"{manifest.reference} corrupted holdout")
                _measure_holdout(repository, manifest, images, reports, threads=threads)
        label_free = _measure_label_free(repository, manifests, images, reports, progress, threads=threads, quick=quick)
    for path in write_robustness_figures(measured, images.dataset, figures_folder(reports, "robustness"), quick=quick):
        typer.echo(f"figure: {path}")
    _print(measured)
    if label_free is not None:
        _print_label_free(label_free)


def _measure_label_free(
    repository: ModelRepository,
    manifests: Sequence[Manifest],
    images: Images,
    reports: Path,
    progress: Progress,
    *,
    threads: int,
    quick: bool,
) -> LabelFree | None:
    """Write the record of label-free accuracy; None unless there are versions of two families with this split."""
    from core.records.base import write_report
    from core.records.lookup import report_path
    from training.analysis.robustness.label_free import IMAGES, measure_label_free
    from training.analysis.robustness.measure import QUICK_IMAGES

    if len({each.family for each in manifests}) < 2:
        return None
    if any(each.data.split_digest != images.split.digest for each in manifests):
        return None
    first, second = sorted(manifests, key=lambda each: each.family)
    task = progress.add_task("without labels", total=None)

    def show(name: str, done: int, of: int) -> None:
        progress.update(task, description=f"without labels: {name}", completed=done, total=of)

    path = report_path(reports, "label_free", first.reference, second.reference, quick=quick)
    partial = path.with_suffix(".partial.jsonl")
    record = measure_label_free(
        (first, second),
        (repository.folder(first.family, first.version), repository.folder(second.family, second.version)),
        images,
        partial,
        threads=threads,
        count=QUICK_IMAGES if quick else IMAGES,
        progress=show,
    )
    write_report(path, record)
    partial.unlink(missing_ok=True)
    return record


def _print_label_free(record: LabelFree) -> None:
    from rich.console import Console
    from rich.table import Table

    title = f"accuracy without labels on {record.data.images:,} test images: mean absolute error in points"
    table = Table("", "inputs", title=title)
    for heading in ("corruptions", "rotations", "largest"):
        table.add_column(heading, justify="right")
    for fit in record.fits:
        errors = fit.error(), fit.error("rotation"), fit.largest_error
        table.add_row(fit.model.reference, fit.correctness.inputs, *[f"{100 * each:.1f}" for each in errors])
    Console().print(table)


def _measure_holdout(
    repository: ModelRepository, manifest: Manifest, images: Images, reports: Path, *, threads: int
) -> None:
    """Write the record of corrupted holdout images if the version has none."""
    from core.gate.holdout import read_corrupted
    from core.records.base import ReportedModel, write_report
    from core.records.lookup import report_path
    from core.repository.manifest import GRAPHS
    from training.evaluation.corrupted_holdout import measure_corrupted_holdout

    if read_corrupted(repository, manifest) is not None or images.split.digest != manifest.data.split_digest:
        return
    graph = repository.folder(manifest.family, manifest.version) / GRAPHS["fp32"]
    record = measure_corrupted_holdout(
        graph, ReportedModel.of(manifest), images, manifest.calibration["fp32"], threads=threads
    )
    write_report(report_path(reports, "corrupted_holdout", manifest.reference), record)


def _print(reports: Sequence[Robustness]) -> None:
    from rich.console import Console
    from rich.table import Table

    from core.records.base import plain
    from core.records.robustness import mean_accuracies

    data = reports[0].data
    table = Table(title=f"accuracy on {data.images:,} test images of {data.name}, mean over the levels")
    table.add_column("")
    for report in reports:
        table.add_column(report.model.reference, justify="right")
    table.add_row("clean", *[_interval(report.clean.accuracy) for report in reports])
    for rows in zip(*(mean_accuracies(report) for report in reports), strict=True):
        table.add_row(plain(rows[0].name), *[_interval(row.accuracy) for row in rows])
    for title, figure in _FIGURES.items():
        values = [report.mean_over_corruptions(figure) for report in reports]
        table.add_row(f"{title}, all corruptions", *["-" if value is None else f"{value:.1%}" for value in values])
    console = Console()
    console.print(table)
    for report in reports:
        for kind in report.strange or ():
            console.print(
                f"{report.model.reference} {kind.kind}: AUROC {_interval_of_area(kind.auroc)}, "
                f"{kind.flag_rate:.1%} flagged",
                highlight=False,
            )
    console.print(f"{reports[0].benchmark}; {'; '.join(reports[0].left_out)}", highlight=False)


def _interval_of_area(estimate: ConfidenceInterval) -> str:
    return f"{estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f})"


def _interval(estimate: ConfidenceInterval) -> str:
    return f"{estimate.value:.1%} ({estimate.low:.1%} to {estimate.high:.1%})"
