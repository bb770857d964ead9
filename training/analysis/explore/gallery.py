"""Figures of `duet explore` by name: sample images, distributions and duplicates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt

from training.analysis.explore.duplicates import Duplicates, NearPair
from training.analysis.explore.figures import (
    captioned_figure,
    class_counts_figure,
    class_rows_figure,
    distribution_figure,
    side_by_side,
    value_histogram_figure,
)
from training.analysis.explore.statistics import Statistics, mean_images
from training.data.preprocessing import value_counts
from training.data.splits import Split
from training.data.types import ImageDataset
from training.plots.style import Draw

_SAMPLES = 8
_PAIRS = 12


def gallery(dataset: ImageDataset, split: Split, statistics: Statistics, duplicates: Duplicates) -> dict[str, Draw]:
    """Draw functions by figure name. Figures of duplicates are left out if there are none."""
    figures = content_figures(dataset, split, statistics)
    for name, pairs in _pairs_by_figure(duplicates).items():
        if pairs:
            figures[name] = _pairs_figure(dataset, pairs)
    return figures


def content_figures(dataset: ImageDataset, split: Split, statistics: Statistics) -> dict[str, Draw]:
    """Draw functions of the figures without duplicates, by name."""
    training = dataset.training
    counts_CV = value_counts(training.images_NHWC)
    means = list(mean_images(training, len(dataset.class_names)))
    samples = list(_samples(dataset, split))
    return {
        "class_counts": lambda theme: class_counts_figure(statistics.class_counts, theme),
        "samples": lambda theme: class_rows_figure(samples, theme),
        "mean_images": lambda theme: captioned_figure(means, dataset.class_names, columns=5, theme=theme),
        "pixel_values": lambda theme: value_histogram_figure(counts_CV, theme),
        "brightness": lambda theme: distribution_figure(statistics.brightness, "brightness: mean luma", theme),
        "contrast": lambda theme: distribution_figure(
            statistics.contrast, "contrast: standard deviation of luma", theme
        ),
    }


def _samples(dataset: ImageDataset, split: Split) -> Iterable[tuple[str, npt.NDArray[np.uint8]]]:
    """The first images of each class in the train part."""
    labels_N = dataset.training.labels_N[split.train]
    for label in np.unique(labels_N).tolist():
        chosen = split.train[labels_N == label][:_SAMPLES]
        yield dataset.class_names[label], dataset.training.images_NHWC[chosen]


def _pairs_by_figure(duplicates: Duplicates) -> Mapping[str, list[NearPair]]:
    """Pairs of each figure, at most one per test image: most similar, nearest the threshold, label conflicts."""
    best = list({pair.test_position: pair for pair in reversed(duplicates.near)}.values())[::-1]
    best.sort(key=lambda pair: -pair.similarity)
    return {
        "near_duplicates": best[:_PAIRS],
        "near_duplicates_at_the_threshold": best[_PAIRS:][-_PAIRS:],
        "label_conflicts": [pair for pair in best if pair.test_label != pair.training_label][:_PAIRS],
    }


def _pairs_figure(dataset: ImageDataset, pairs: list[NearPair]) -> Draw:
    """Test image left, training image right; classes and similarity below."""
    images = [
        side_by_side(dataset.test.images_NHWC[pair.test_position], dataset.training.images_NHWC[pair.training_position])
        for pair in pairs
    ]
    captions = [f"{_labels(pair)}\n{pair.similarity:.3f}{' mirrored' if pair.mirrored else ''}" for pair in pairs]
    return lambda theme: captioned_figure(images, captions, columns=3, theme=theme)


def _labels(pair: NearPair) -> str:
    return pair.test_label if pair.test_label == pair.training_label else f"{pair.test_label} | {pair.training_label}"
