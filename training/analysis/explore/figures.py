"""Figures of `duet explore`.

Figures are one page column wide, so that their text is readable on a phone. They show at most 100 classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, PercentFormatter

from training.analysis.explore.duplicates import Duplicates, NearPair
from training.analysis.explore.statistics import Distributions, Statistics, mean_images
from training.data.preprocessing import value_counts
from training.data.splits import Split
from training.data.types import ImageDataset
from training.plots.image_grid import Mosaic, mosaic_figure
from training.plots.style import TEXT, WIDTH, Draw, Theme, grid_of_axes, legend_above
from training.plots.text import plot_text

CLASSES = 100
"""Maximum number of classes in a figure; a figure with a row for each class has a limit of height and memory."""
_SAMPLES = 8
_PAIRS = 12


def class_counts_figure(class_counts: dict[str, dict[str, int]], theme: Theme) -> Figure:
    """Stacked bars: number of images of each class in each part."""
    names = list(next(iter(class_counts.values())))[:CLASSES]
    figure, [axes] = grid_of_axes(theme, 1, 1, height=0.9 + 0.3 * len(names))
    left_K = np.zeros(len(names))
    for (part, counts), color in zip(class_counts.items(), theme.parts, strict=True):
        counts_K = np.array([counts[name] for name in names])
        axes.barh(range(len(names)), counts_K, left=left_K, color=color, label=part, height=0.72)
        left_K += counts_K
    axes.set_yticks(range(len(names)), [plot_text(name) for name in names])
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.set_xlabel("images")
    legend_above(figure, axes, theme)
    return figure


def value_histogram_figure(counts_CV: npt.NDArray[np.int64], theme: Theme) -> Figure:
    """Histogram of the 256 values of each channel, from counts [C, 256]."""
    figure, [axes] = grid_of_axes(theme, 1, 1, height=3.2)
    names = ("red", "green", "blue")
    for counts_V, name, color in zip(counts_CV, names, theme.channels, strict=True):
        axes.step(np.arange(256), counts_V / counts_V.sum(), where="mid", color=color, label=name, lw=1.4)
    axes.set_xlim(0, 255)
    axes.set_xticks((0, 64, 128, 192, 255))
    axes.set_ylim(0, 1.12 * (counts_CV / counts_CV.sum(axis=1, keepdims=True)).max())
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=1))
    axes.set_xlabel("stored value")
    axes.set_ylabel("share of pixels")
    axes.legend(frameon=False, labelcolor=theme.text, loc="upper center", ncols=3, handlelength=1.2)
    return figure


def distribution_figure(found: Distributions, label: str, theme: Theme) -> Figure:
    """Box plots of all images and of each class: quartiles, with whiskers at the 5th and 95th percentile."""
    of_classes = list(found.by_class.items())[:CLASSES]
    names = ["all", *(plot_text(name) for name, _ in of_classes)]
    rows = [found.overall, *(row for _, row in of_classes)]
    figure, [axes] = grid_of_axes(theme, 1, 1, height=0.8 + 0.3 * len(rows))
    boxes = [{"whislo": row.p5, "q1": row.p25, "med": row.median, "q3": row.p75, "whishi": row.p95} for row in rows]
    line = {"color": theme.muted}
    axes.bxp(
        boxes, positions=range(len(rows)), orientation="horizontal", showfliers=False, showcaps=False, widths=0.6,
        patch_artist=True, boxprops={"facecolor": theme.accent, "edgecolor": "none"}, whiskerprops=line,
        medianprops={"color": theme.surface, "linewidth": 2},
    )  # fmt: skip
    axes.set_yticks(range(len(rows)), names)
    axes.invert_yaxis()
    axes.set_xlim(left=0)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(label)
    return figure


def captioned_figure(
    images: Sequence[npt.NDArray[np.uint8]], captions: Sequence[str], *, columns: int, theme: Theme
) -> Figure:
    """Images uint8 [H, W, 3] of one size in rows of `columns`, each with a caption below."""
    height, width, _ = images[0].shape
    rows = -(-len(images) // columns)
    gap = max(1, width // 16)
    # Height of a text line in pixels of the mosaic, which is WIDTH inches wide.
    line = 1.2 * TEXT / 72 / WIDTH * columns * (width + gap)
    below = round(line * (1 + captions[0].count("\n") + 0.5))
    mosaic = Mosaic(rows, columns, height, width, gap=gap, below=below)
    for number, image_HWC in enumerate(images):
        mosaic.put(image_HWC, *divmod(number, columns))
    figure = Figure(figsize=(WIDTH, WIDTH * mosaic.aspect), facecolor=theme.surface)
    axes = figure.add_axes((0, 0, 1, 1))
    mosaic.show(axes)
    for number, caption in enumerate(captions):
        row, column = divmod(number, columns)
        axes.text(
            mosaic.left(column) + width / 2, mosaic.top(row) + height + line * 0.25, plot_text(caption),
            ha="center", va="top", fontsize=TEXT, color=theme.text,
        )  # fmt: skip
    return figure


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
    means = list(mean_images(training, len(dataset.class_names)))[:CLASSES]
    names, samples = zip(*_samples(dataset, split), strict=True)
    return {
        "class_counts": lambda theme: class_counts_figure(statistics.class_counts, theme),
        "samples": lambda theme: mosaic_figure(samples, captions=names, theme=theme, caption_width=1.15),
        "mean_images": lambda theme: captioned_figure(means, dataset.class_names[:CLASSES], columns=5, theme=theme),
        "pixel_values": lambda theme: value_histogram_figure(counts_CV, theme),
        "brightness": lambda theme: distribution_figure(statistics.brightness, "brightness: mean luma", theme),
        "contrast": lambda theme: distribution_figure(
            statistics.contrast, "contrast: standard deviation of luma", theme
        ),
    }


def _samples(dataset: ImageDataset, split: Split) -> Iterable[tuple[str, list[npt.NDArray[np.uint8] | None]]]:
    """The first images of each class in the train part."""
    labels_N = dataset.training.labels_N[split.train]
    for label in np.unique(labels_N).tolist()[:CLASSES]:
        chosen = split.train[labels_N == label][:_SAMPLES]
        # Empty cells keep the size of the images: two images as wide as the page would make a page of 40,000 pixels.
        empty = [None] * (_SAMPLES - len(chosen))
        yield dataset.class_names[label], [*dataset.training.images_NHWC[chosen], *empty]


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
    tests_NHWC, trainings_NHWC = dataset.test.images_NHWC, dataset.training.images_NHWC
    images = [np.hstack([tests_NHWC[pair.test_position], trainings_NHWC[pair.training_position]]) for pair in pairs]
    captions = [f"{_labels(pair)}\n{pair.similarity:.3f}{' mirrored' if pair.mirrored else ''}" for pair in pairs]
    return lambda theme: captioned_figure(images, captions, columns=3, theme=theme)


def _labels(pair: NearPair) -> str:
    return pair.test_label if pair.test_label == pair.training_label else f"{pair.test_label} | {pair.training_label}"
