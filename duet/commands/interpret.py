"""`duet interpret`: explanations and their sanity checks, activation maximization, and error analysis."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from duet.commands.common import (
    DataDir,
    DataOfVersion,
    Download,
    FirstReference,
    SecondReference,
    Threads,
    interruptible,
    note,
    progress_bar,
    run_again,
)
from duet.commands.extras import require_training

if TYPE_CHECKING:
    from core.records.explanations import Explanations, NoiseLevel
    from core.records.mistakes import Mistakes
    from core.repository.repository import ModelRepository
    from training.analysis.interpret.commands import Work


class Part(StrEnum):
    """Parts of the analysis for `--only`."""

    EXPLANATIONS = "explanations"
    ACTIVATIONS = "activations"
    MISTAKES = "mistakes"
    NOISE = "noise"


def interpret(
    first: FirstReference = "mlp",
    second: SecondReference = "cnn",
    only: Annotated[
        list[Part] | None, typer.Option(help="Run only this part; may be repeated. `noise` runs only if named.")
    ] = None,
    target: Annotated[
        str | None, typer.Option(metavar="CLASS", help="Explain this class instead of the predicted one.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Use a few images only, as a smoke test.")] = False,
    data: DataOfVersion = None,
    data_dir: DataDir = None,
    download: Download = False,
    threads: Threads = None,
    out: Annotated[Path | None, typer.Option(help="Output folder; by default DUET_HOME/reports.")] = None,
) -> None:
    """Explain two versions, check the explanations, maximize activations, and analyze their errors.

    `--only noise` measures how SmoothGrad's noise changes the predictions, and writes no record.
    """
    require_training("duet interpret")
    from core.files.home import duet_home, ensure_home
    from core.records.lookup import REPORTS_NAME
    from core.repository.repository import ModelRepository
    from training.analysis.interpret import commands

    work = open_work(
        ModelRepository.open(),
        (first, second),
        out or ensure_home(duet_home()) / REPORTS_NAME,
        data=data,
        data_dir=data_dir,
        download=download,
        threads=threads,
        quick=quick,
    )
    with interruptible(run_again), progress_bar() as bar:
        task = bar.add_task("", total=None)

        def progress(name: str, done: int, of: int) -> None:
            bar.update(task, description=name, completed=done, total=of)

        if not only or Part.EXPLANATIONS in only:
            for report in commands.explanations(work, target, progress):
                _say_explanations(report)
        if not only or Part.ACTIVATIONS in only:
            for made in commands.activations(work, progress).models:
                typer.echo(
                    f"{made.model.reference}: recognizes {made.recognised:.0%} of its own class images, "
                    f"{made.other.reference} {made.transfer:.0%} of them"
                )
        if not only or Part.MISTAKES in only:
            _say_mistakes(commands.mistakes(work, progress))
        if only and Part.NOISE in only:
            _print_noise(commands.smoothgrad_noise(work, progress))
    typer.echo(f"records and figures: {work.folder}")


def open_work(
    repository: ModelRepository,
    references: tuple[str, str],
    folder: Path,
    *,
    data: str | None,
    data_dir: Path | None,
    download: bool,
    threads: int | None,
    quick: bool,
) -> Work:
    """Open two versions and their images for measurements whose records go to `folder`; sets torch's threads."""
    import torch

    from core.cpu import available_cores
    from training.analysis.interpret.activations import Model
    from training.analysis.interpret.commands import Work
    from training.pipeline.requests import images_for

    manifests = [repository.verify(*repository.resolve(reference)) for reference in references]
    one, other = (Model(each, repository.folder(each.family, each.version)) for each in manifests)
    images = images_for(manifests[0], data, data_dir=data_dir, download=download, note=note)
    threads = threads or available_cores()
    torch.set_num_threads(threads)
    return Work((one, other), images, folder, threads=threads, quick=quick)


def _say_explanations(report: Explanations) -> None:
    for method in report.methods:
        undecided = report.undecided(method)
        failures = [
            f"{'is not shown to pass' if check.name in undecided else 'fails'} {check.name}: {check.reason}"
            for check in method.checks
            if not check.passed
        ]
        verdict = "; ".join(failures) or "passes all checks"
        flat = f"{method.flat} flat maps; " if method.flat else ""
        typer.echo(f"{report.model.reference} {method.method}: {flat}{verdict}")
    for reason in report.unfit:
        typer.echo(f"{report.model.reference} {reason}")


def _print_noise(measured: Sequence[tuple[str, Sequence[NoiseLevel]]]) -> None:
    from core.records.explanations import SMOOTHGRAD_NOISE
    from training.analysis.interpret.smoothgrad_noise import MIN_KEPT, largest_safe_noise

    for reference, levels in measured:
        for level in levels:
            kept = level.kept
            typer.echo(
                f"{reference}, noise {level.noise:g}: {kept.value:.1%} of the noisy copies keep the prediction "
                f"({kept.low:.1%} to {kept.high:.1%})"
            )
    safe = largest_safe_noise([levels for _, levels in measured])
    largest = "no noise level" if safe is None else f"noise of at most {safe:g}"
    typer.echo(
        f"{largest} keeps {MIN_KEPT:.0%} of the predictions of both versions; the default is {SMOOTHGRAD_NOISE:g}"
    )


def _say_mistakes(mistakes: Mistakes) -> None:
    overlap = mistakes.overlap
    for model in mistakes.models:
        hardest = ", ".join(f"{row.label} {row.error.value:.1%}" for row in model.classes[:3])
        typer.echo(f"{model.model.reference}: {model.error.value:.2%} wrong; hardest: {hardest}")
    typer.echo(
        f"both wrong on {overlap.both.value:.2%} of the images ({overlap.both_if_independent:.2%} if mistakes were "
        f"independent), only the first on {overlap.only_first.value:.2%}, only the second on "
        f"{overlap.only_second.value:.2%}; {len(mistakes.label_candidates)} candidates for label errors"
    )
