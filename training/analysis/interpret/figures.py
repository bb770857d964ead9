"""Figures of interpretability: attribution maps, method evaluation, maximized images and first-layer weights."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import get_args

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image
from torch import nn

from core.records.base import plain
from core.records.explanations import Activations, Explanations, MethodEvaluation, MethodName, ModelActivations
from core.statistics.intervals import ConfidenceInterval
from training.analysis.interpret.activations import Model
from training.analysis.interpret.methods import SIGNED, applicable_methods, attribute, has_feature_maps
from training.data.preprocessing import scale_pixels
from training.data.test_subset import stratified
from training.data.types import ImageDataset
from training.networks import Classifier
from training.plots.image_grid import map_picture, mosaic_figure
from training.plots.style import MARKERS, TEXT, Draw, Theme, error_bars, grid_of_axes, legend_above

Pixels = npt.NDArray[np.uint8]
Doubles = npt.NDArray[np.float64]
_CASCADE_MARKERS = ("o", "s", "^", "D", "v", "P")
"""Marker of each method, in the order of `MethodName`."""
_FILTERS, _UNITS = 64, 32
"""Maximum numbers of convolution filters and of dense units, which are as large as an image."""


def maps_figure(
    images_NHWC: Pixels,
    captions: Sequence[str],
    maps: Sequence[tuple[str, Doubles, bool]],
    theme: Theme,
) -> Figure:
    """Draw a row for each image: the image and its attribution maps.

    Args:
        images_NHWC: explained images.
        captions: captions left of the rows.
        maps: heading, maps [N, H, W] and sign flag (True for signed maps) of each column.
        theme: colors.
    """
    rows = [
        [image_HWC, *(map_picture(maps_NHW[n], signed=signed) for _, maps_NHW, signed in maps)]
        for n, image_HWC in enumerate(images_NHWC)
    ]
    headings = ["image", *(heading for heading, _, _ in maps)]
    return mosaic_figure(rows, captions=captions, headings=headings, theme=theme)


def checks_figure(reports: Sequence[Explanations], theme: Theme) -> Figure:
    """Metrics of each method with 95 % intervals and the thresholds of the checks."""
    names = list(dict.fromkeys(method.method for report in reports for method in report.methods))
    titles = ("deletion", "insertion", "sensitivity", "likeness, weights fresh")
    figure, panels = grid_of_axes(theme, 2, 2, height=1.1 + 2 * (0.5 + 0.34 * len(names)), sharey=True)
    for position, (axes, title) in enumerate(zip(panels, titles, strict=True)):
        for number, (report, color, marker) in enumerate(zip(reports, theme.parts, MARKERS, strict=False)):
            found = {method.method: _check_metrics(method)[position] for method in report.methods}
            shown = [(place, found[name]) for place, name in enumerate(names) if found.get(name) is not None]
            values, reach = error_bars([estimate for _, estimate in shown if estimate is not None])
            places = [place + (number - (len(reports) - 1) / 2) * 0.24 for place, _ in shown]
            axes.errorbar(values, places, xerr=reach, fmt=marker, ms=5, color=color, label=report.model.reference)
        axes.set_title(title, fontsize=TEXT, color=theme.text)
        if position < 2:
            axes.axvline(0, color=theme.muted, lw=1)
        elif position == 3:
            axes.axvline(reports[0].settings["most_correlation"], color=theme.muted, lw=1, ls="--")
    panels[0].set_yticks(range(len(names)), [plain(name) for name in names])
    panels[0].invert_yaxis()
    panels[0].set_xlabel("area, gain over the control", fontsize=TEXT - 1)
    panels[1].set_xlabel("area, gain over the control", fontsize=TEXT - 1)
    panels[2].set_xlabel("relative change of the map", fontsize=TEXT - 1)
    panels[3].set_xlabel("rank correlation", fontsize=TEXT - 1)
    legend_above(figure, panels[0], theme)
    return figure


def cascade_figure(report: Explanations, theme: Theme) -> Figure:
    """Rank correlation of each method with the trained maps, by number of randomized layers."""
    figure, [axes] = grid_of_axes(theme, 1, 1, height=4.6)
    colors = (*theme.parts, theme.text, theme.muted)
    looks = dict(zip(get_args(MethodName), zip(colors, _CASCADE_MARKERS, strict=True), strict=True))
    for method in report.methods:
        if method.cascade:
            values = [1.0, *(row.correlation.value for row in method.cascade)]
            color, marker = looks[method.method]
            axes.plot(range(len(values)), values, color=color, marker=marker, ms=5, lw=1.4, label=plain(method.method))
    most = report.settings["most_correlation"]
    axes.axhline(most, color=theme.muted, lw=1, ls="--", label=f"passes: at most {most:g} in the end")
    axes.set_ylim(-0.1, 1.05)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel(f"layers of {report.model.reference} with fresh weights, counted from the last")
    axes.set_ylabel("rank correlation with the trained maps")
    figure.legend(
        loc="outside upper center", ncols=2, frameon=False, labelcolor=theme.text, fontsize=TEXT - 1,
    )  # fmt: skip
    return figure


def class_images_figure(made: ModelActivations, folder: Path, training_NHWC: Pixels, theme: Theme) -> Figure:
    """Draw a row for each class: the images of all seeds, and the training image nearest to the first one.

    The captions show the mean probability of the class over the seeds, by the model itself and by the other model.
    """
    classes = list(dict.fromkeys(image.name for image in made.images if image.kind == "class"))
    rows, captions = [], []
    for name in classes:
        of_class = [image for image in made.images if image.kind == "class" and image.name == name]
        rows.append([_read(folder / image.file) for image in of_class] + [training_NHWC[of_class[0].nearest.position]])
        own, other = (
            float(np.mean([value or 0.0 for value in values]))
            for values in ([i.own_probability for i in of_class], [i.other_probability for i in of_class])
        )
        captions.append(f"{name}\nown mean {own:.0%}\n{made.other.family} mean {other:.0%}")
    headings = [*(f"seed {image.seed}" for image in made.images if image.name == classes[0]), "nearest"]
    return mosaic_figure(rows, captions=captions, headings=headings, theme=theme, caption_width=1.5)


def channel_images_figure(made: ModelActivations, folder: Path, theme: Theme) -> Figure:
    """Draw a row for each block: the images of its most variable channels."""
    blocks: dict[str, list[Pixels | None]] = {}
    for image in made.images:
        if image.kind == "channel":
            blocks.setdefault(image.name.partition(",")[0], []).append(_read(folder / image.file))
    return mosaic_figure(list(blocks.values()), captions=list(blocks), theme=theme)


def first_layer_figure(pictures_NHWC: Pixels, theme: Theme) -> Figure:
    """Draw weights as images, 8 in a row."""
    rows = [list(pictures_NHWC[start : start + 8]) for start in range(0, len(pictures_NHWC), 8)]
    return mosaic_figure(rows, captions=(), theme=theme, caption_width=0.0)


def first_layer_pictures(classifier: Classifier, *, height: int, width: int, count: int) -> Pixels:
    """Weights of the first layer as images uint8 [n, h, w, 3].

    Gray is 0; each image is scaled by its largest weight. Shows the dense units with the largest weights, or the first
    filters of a convolution. In the whitened network the first filters are computed from the images, not trained.

    Args:
        classifier: a network of either family.
        height: image height.
        width: image width.
        count: maximum number of images.
    """
    first = next(layer for layer in classifier.modules() if isinstance(layer, nn.Conv2d | nn.Linear))
    weights = first.weight.detach().numpy()
    if isinstance(first, nn.Linear):
        weights_UCHW = weights.reshape(-1, 3, height, width)
        strongest_U = np.argsort(-np.linalg.norm(weights, axis=1), kind="stable")[:count]
        return _weight_images(weights_UCHW[strongest_U])
    return _weight_images(weights[:count])


def _weight_images(weights_UCHW: npt.NDArray[np.float32]) -> Pixels:
    largest_U111 = np.abs(weights_UCHW).max(axis=(1, 2, 3), keepdims=True)
    shares_UCHW = weights_UCHW / np.where(largest_U111 > 0, largest_U111, 1)
    return np.rint(127.5 + 127.5 * shares_UCHW).astype(np.uint8).transpose(0, 2, 3, 1)


def _check_metrics(method: MethodEvaluation) -> tuple[ConfidenceInterval | None, ...]:
    last = method.cascade[-1].correlation if method.cascade else None
    return method.deletion_gain, method.insertion_gain, method.sensitivity, last


def _read(path: Path) -> Pixels:
    return np.asarray(Image.open(path), np.uint8)


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
