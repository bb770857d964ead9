"""Which figures are drawn of robustness, and where they go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from core.records.robustness import Robustness
from training.analysis.robustness.figures import levels_figure, means_figure, samples_figure
from training.data.types import ImageDataset
from training.plots.save import write_figures
from training.plots.theme import Theme


def robustness_figures(reports: Sequence[Robustness], dataset: ImageDataset) -> dict[str, Callable[[Theme], Figure]]:
    """The figures by name, each still to be drawn in a theme."""
    return {
        "levels": lambda theme: levels_figure(reports, theme),
        "means": lambda theme: means_figure(reports, theme),
        "corruptions": lambda theme: samples_figure(dataset.test.images_NHWC[0], reports[0].seed, theme),
    }


def write_robustness_figures(
    reports: Sequence[Robustness], dataset: ImageDataset, folder: Path, *, quick: bool
) -> list[Path]:
    """Draw them in light colors into `folder` and return their paths."""
    names = "-".join(report.model.reference for report in reports)
    return write_figures(robustness_figures(reports, dataset), folder, f"{names}{'.quick' if quick else ''}")
