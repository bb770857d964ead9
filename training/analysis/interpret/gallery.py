"""Figures of explanations and activation maximization by name."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from core.records.base import plain
from core.records.explanations import Activations, Explanations
from training.analysis.interpret.activations import Model
from training.analysis.interpret.figures import (
    cascade_figure,
    channel_images_figure,
    checks_figure,
    class_images_figure,
    first_layer_figure,
    first_layer_pictures,
    maps_figure,
)
from training.analysis.interpret.methods import SIGNED, applicable_methods, attribute, has_feature_maps
from training.data.preprocessing import scale_pixels
from training.data.test_subset import stratified
from training.data.types import ImageDataset
from training.plots.style import Draw

_FILTERS, _UNITS = 64, 32
"""Maximum numbers of convolution filters and of dense units, which are as large as an image."""


def explanation_figures(
    reports: Sequence[Explanations], models: Sequence[Model], dataset: ImageDataset
) -> dict[str, Draw]:
    """Draw functions by figure name: checks, cascades, and maps of one test image per class."""
    figures: dict[str, Draw] = {"checks": partial(checks_figure, reports)}
    for report in reports:
        figures[f"cascade.{report.model.reference}"] = partial(cascade_figure, report)
    chosen = stratified(dataset.test.labels_N, len(dataset.class_names))
    images_NHWC = dataset.test.images_NHWC[chosen]
    captions = [dataset.class_names[label] for label in dataset.test.labels_N[chosen]]
    for report, model in zip(reports, models, strict=True):
        pixels_NHWC = scale_pixels(images_NHWC)
        target_N = model.probabilities(images_NHWC, threads=1).argmax(axis=1)
        if report.target != "predicted":
            target_N = np.full_like(target_N, dataset.class_names.index(report.target))
        maps = [
            (plain(name), attribute(name, model.network, pixels_NHWC, target_N), name in SIGNED)
            for name in applicable_methods(model.network)
        ]
        row_captions = [
            f"{caption}\nas {dataset.class_names[target]}" for caption, target in zip(captions, target_N, strict=True)
        ]
        figures[f"maps.{report.model.reference}"] = partial(maps_figure, images_NHWC, row_captions, maps)
    return figures


def activation_figures(
    activations: Activations, models: Sequence[Model], dataset: ImageDataset, folder: Path
) -> dict[str, Draw]:
    """Draw functions by figure name: images of classes and of channels, if any, and first-layer weights."""
    figures: dict[str, Draw] = {}
    for made, model in zip(activations.models, models, strict=True):
        reference, spec = made.model.reference, model.manifest.input
        figures[f"classes.{reference}"] = partial(class_images_figure, made, folder, dataset.training.images_NHWC)
        if any(image.kind == "channel" for image in made.images):
            figures[f"channels.{reference}"] = partial(channel_images_figure, made, folder)
        count = _FILTERS if has_feature_maps(model.network) else _UNITS
        pictures = first_layer_pictures(model.network, height=spec.height, width=spec.width, count=count)
        figures[f"first_layer.{reference}"] = partial(first_layer_figure, pictures)
    return figures
