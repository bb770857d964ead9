"""`duet evaluate`: evaluate a version on the test images and compare with its published evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from core.errors import ConfigurationError
from duet.commands.common import DataDir, DataOfVersion, Download, Reference, Threads, interruptible, note, run_again
from duet.commands.completion import complete_version
from duet.commands.extras import require_training
from duet.commands.robustness import evaluate_robustness

if TYPE_CHECKING:
    from core.repository.evaluation import Evaluation
    from core.repository.manifest import Precision

_ROWS = 100
"""Maximum number of classes in the table."""


def evaluate(
    reference: Reference,
    data: DataOfVersion = None,
    data_dir: DataDir = None,
    download: Download = False,
    threads: Threads = None,
    out: Annotated[Path | None, typer.Option(help="Write the evaluation as JSON to this file.")] = None,
    robustness: Annotated[
        bool,
        typer.Option("--robustness", help="Also measure accuracy under corruptions, shifts, rotations and attacks."),
    ] = False,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="REF",
            help="With --robustness: second version to compare with.",
            autocompletion=complete_version,
        ),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="With --robustness: 100 images instead of 2,000.")] = False,
    all_images: Annotated[
        bool, typer.Option("--all-images", help="With --robustness: all test images instead of 2,000.")
    ] = False,
) -> None:
    """Evaluate a version on the test images; exit code 1 if the result differs from its evaluation.json."""
    require_training("duet evaluate")
    from core.cpu import available_cores
    from core.files.durable import atomic_replace
    from core.files.home import duet_home, ensure_home
    from core.records.lookup import REPORTS_NAME
    from core.repository.repository import ModelRepository
    from training.evaluation.reproduce import evaluate_version
    from training.pipeline.requests import images_for

    _check_options(against, robustness=robustness, quick=quick, all_images=all_images)
    repository = ModelRepository.open()
    family, version = repository.resolve(reference)
    manifest = repository.verify(family, version)
    folder = repository.folder(family, version)
    images = images_for(manifest, data, data_dir=data_dir, download=download, note=note)
    measured = evaluate_version(folder, manifest, images, threads=threads or available_cores())
    for precision in measured.scores:
        _print(manifest.reference, measured, precision)
    if out is not None:
        atomic_replace(out, measured.to_json().encode())
    if robustness:
        versions = [manifest] if against is None else [manifest, repository.verify(*repository.resolve(against))]
        reports = ensure_home(duet_home()) / REPORTS_NAME
        with interruptible(run_again):
            evaluate_robustness(
                repository,
                versions,
                images,
                reports,
                threads=threads or available_cores(),
                quick=quick,
                all_images=all_images,
            )
    _compare_with_published(manifest.reference, folder, measured)


def _check_options(against: str | None, *, robustness: bool, quick: bool, all_images: bool) -> None:
    if not robustness and (against is not None or quick or all_images):
        raise ConfigurationError("--against, --quick and --all-images need --robustness: add it")
    if quick and all_images:
        raise ConfigurationError("--quick and --all-images cannot be combined: use one of them")


def _compare_with_published(reference: str, folder: Path, measured: Evaluation) -> None:
    """Print the differences from evaluation.json.

    Raises:
        typer.Exit: there are differences; the exit code is 1.
    """
    from training.evaluation.reproduce import TOLERANCE, disagreements, published_evaluation

    published = published_evaluation(folder, measured)
    if published is None:
        typer.echo(f"{reference} was published with an evaluation on other images: nothing to compare")
        return
    differences = disagreements(published, measured)
    for line in differences:
        typer.echo(line, err=True)
    if differences:
        typer.echo(f"{reference}: {len(differences)} figures differ from evaluation.json", err=True)
        raise typer.Exit(1)
    typer.echo(f"{reference} reproduces its evaluation.json: counts exactly, figures within {TOLERANCE:g}")


def _print(reference: str, evaluation: Evaluation, precision: Precision) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    scores = evaluation.scores[precision]
    data = evaluation.data
    table = Table(title=f"{reference} in {precision} on {data.images:,} {data.split} images of {data.name}")
    for heading in ("", "precision", "recall", "F1", "images"):
        table.add_column(heading, justify="left" if not heading else "right")
    rows = list(scores.per_class)
    if len(rows) > _ROWS:
        rows.sort(key=lambda row: row.f1.value)
    for row in rows[:_ROWS]:
        figures = [f"{measure.value:.4f}" for measure in (row.precision, row.recall, row.f1)]
        table.add_row(Text(row.label), *figures, str(row.support))
    for name, mean in (("macro average", scores.macro), ("weighted average", scores.weighted)):
        table.add_row(name, *[f"{measure.value:.4f}" for measure in (mean.precision, mean.recall, mean.f1)], "")
    console = Console()
    console.print(table)
    if len(rows) > _ROWS:
        console.print(f"the {_ROWS} of {len(rows):,} classes with the lowest F1", highlight=False)
    accuracy = scores.accuracy
    console.print(
        f"accuracy {accuracy.value:.2%} (95 % interval {accuracy.low:.2%} to {accuracy.high:.2%}), log loss "
        f"{scores.log_loss:.4f}, Brier {scores.brier:.4f}, ECE {scores.reliability.ece:.2%}",
        highlight=False,
    )
    perfect = scores.reliability.if_calibrated
    if perfect is not None:
        console.print(
            f"ECE of a perfectly calibrated model: mean {perfect.mean:.2%}, 95th percentile "
            f"{perfect.percentile_95:.2%}",
            highlight=False,
        )
    sets = scores.prediction_sets
    if sets.band is not None:
        console.print(
            f"prediction sets contain the true class of {sets.coverage.value:.2%} of the images (target "
            f"{sets.target:.0%}, expected {sets.band[0]:.2%} to {sets.band[1]:.2%}), mean size "
            f"{sets.mean_size:.2f} classes",
            highlight=False,
        )
    for ood in scores.strange or ():
        console.print(
            f"AUROC against {ood.kind} {ood.auroc.value:.4f} ({ood.auroc.low:.4f} to {ood.auroc.high:.4f}), "
            f"{ood.flag_rate:.1%} flagged",
            highlight=False,
        )
