"""Figures of mistakes by name."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from core.records.mistakes import Mistakes, Notable
from training.analysis.mistakes.figures import classes_figure, confusions_figure, notable_figure, patterns_figure
from training.analysis.mistakes.find import VersionPredictions
from training.analysis.mistakes.properties import gradient_session, saliency_maps
from training.data.types import ImageDataset
from training.plots.style import Draw

_ROWS = 8


def mistake_figures(
    mistakes: Mistakes, versions: tuple[VersionPredictions, VersionPredictions], dataset: ImageDataset, *, threads: int
) -> dict[str, Draw]:
    """Draw functions by figure name. Empty galleries are left out."""
    first, second = (side.manifest.reference for side in versions)
    figures: dict[str, Draw] = {
        "classes": partial(classes_figure, mistakes),
        "confusions": partial(confusions_figure, mistakes),
        "patterns": partial(patterns_figure, mistakes),
    }
    galleries = {
        f"confident.{first}": mistakes.confident[0],
        f"confident.{second}": mistakes.confident[1],
        "label_candidates": mistakes.label_candidates,
    }
    for name, chosen in galleries.items():
        if chosen:
            figures[name] = _notable(chosen[:_ROWS], versions, dataset, threads)
    return figures


def _notable(
    chosen: Sequence[Notable],
    versions: tuple[VersionPredictions, VersionPredictions],
    dataset: ImageDataset,
    threads: int,
) -> Draw:
    images_NHWC = dataset.test.images_NHWC[[each.position for each in chosen]]
    maps = {}
    for side, field in zip(versions, ("first", "second"), strict=True):
        target_N = np.array([dataset.class_names.index(getattr(each, field).label) for each in chosen])
        session = gradient_session(side.folder, threads=threads)
        maps[side.manifest.reference] = saliency_maps(session, images_NHWC, target_N, len(dataset.class_names))
    references = (versions[0].manifest.reference, versions[1].manifest.reference)
    return lambda theme: notable_figure(chosen, images_NHWC, maps, references, theme)
