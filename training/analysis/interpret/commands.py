"""`duet interpret`: explanations, activation maximization and mistakes; each part writes a record and figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from core.records.base import write_report
from core.records.explanations import Activations, Explanations, NoiseLevel
from core.records.lookup import figures_folder, report_path
from core.records.mistakes import Mistakes
from training.analysis.interpret.activations import KEPT_PREFIX, Model, make_activations
from training.analysis.interpret.evaluate import evaluate_explanations
from training.analysis.interpret.figures import activation_figures, explanation_figures
from training.analysis.interpret.smoothgrad_noise import noise_levels
from training.analysis.mistakes.figures import mistake_figures
from training.analysis.mistakes.find import VersionPredictions, find_mistakes
from training.data.split_dataset import Images
from training.plots.style import write_figures

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Work:
    """Inputs shared by all parts.

    Attributes:
        quick: use few images.
    """

    models: tuple[Model, Model]
    images: Images
    folder: Path
    threads: int
    quick: bool

    @property
    def references(self) -> tuple[str, str]:
        """References of both versions."""
        return self.models[0].manifest.reference, self.models[1].manifest.reference

    @property
    def names(self) -> str:
        """Prefix of the figure file names."""
        return "-".join(self.references) + (".quick" if self.quick else "")


def explanations(work: Work, target: str | None, progress: Progress) -> tuple[Explanations, Explanations]:
    """Evaluate the explanations of both versions; raises as `evaluate_explanations`."""
    first, second = (record_explanations(work, model, target, progress) for model in work.models)
    figures = explanation_figures((first, second), work.models, work.images.dataset)
    write_figures(figures, figures_folder(work.folder, "explanations"), work.names)
    return first, second


def activations(work: Work, progress: Progress) -> Activations:
    """Maximize activations of both versions; raises as `make_activations`."""
    report = record_activations(work, progress)
    made_at = report_path(work.folder, "activations", *work.references, quick=work.quick).parent
    figures = activation_figures(report, work.models, work.images.dataset, made_at)
    write_figures(figures, figures_folder(work.folder, "activations"), work.names)
    return report


def mistakes(work: Work, progress: Progress) -> Mistakes:
    """Analyze the mistakes of both versions; raises as `find_mistakes`."""
    report, versions = record_mistakes(work, progress)
    figures = mistake_figures(report, versions, work.images.dataset, threads=work.threads)
    write_figures(figures, figures_folder(work.folder, "mistakes"), work.names)
    return report


def smoothgrad_noise(work: Work, progress: Progress) -> tuple[tuple[str, tuple[NoiseLevel, ...]], ...]:
    """Measure the share of noisy copies that keep the predictions of each version; writes no record."""
    measured = []
    for done, model in enumerate(work.models):
        reference = model.manifest.reference
        progress(f"{reference} noise", done, len(work.models))
        measured.append((reference, noise_levels(model.network, work.images, quick=work.quick)))
    progress("noise", len(work.models), len(work.models))
    return tuple(measured)


def record_activations(work: Work, progress: Progress) -> Activations:
    """Write the record of activation maximization, without figures."""
    path = report_path(work.folder, "activations", *work.references, quick=work.quick)
    report = make_activations(
        work.models, work.images, path.parent, threads=work.threads, quick=work.quick, progress=progress
    )
    write_report(path, report)
    for kept in path.parent.glob(f"{KEPT_PREFIX}*.npz"):
        kept.unlink()
    return report


def record_mistakes(work: Work, progress: Progress) -> tuple[Mistakes, tuple[VersionPredictions, VersionPredictions]]:
    """Write the record of mistakes, without figures; returns also the stored predictions of both versions."""
    first, second = (VersionPredictions.read(model.manifest, model.folder) for model in work.models)
    path = report_path(work.folder, "mistakes", *work.references, quick=work.quick)
    cache_path = path.with_suffix(".partial.jsonl")
    report = find_mistakes(
        first, second, work.images, cache_path, threads=work.threads, quick=work.quick, progress=progress
    )
    write_report(path, report)
    cache_path.unlink(missing_ok=True)
    return report, (first, second)


def record_explanations(work: Work, model: Model, target: str | None, progress: Progress) -> Explanations:
    """Write the record of the explanations of one version, without figures."""
    reference = model.manifest.reference
    path = report_path(work.folder, "explanations", reference, quick=work.quick)
    cache_path = path.with_suffix(".partial.jsonl")
    report = evaluate_explanations(
        model.manifest,
        model.folder,
        work.images,
        cache_path,
        target=target,
        quick=work.quick,
        progress=lambda name, done, of: progress(f"{reference} {name}", done, of),
    )
    write_report(path, report)
    cache_path.unlink(missing_ok=True)
    return report
