"""Statistics of a data set: counts, value ranges, channel means, brightness and contrast."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.data.preprocessing import channel_statistics, scale_pixels, value_counts
from training.data.splits import Split
from training.data.types import ImageDataset, LabelledImages

# Weights of red, green and blue in the luma of ITU-R BT.601, the grayscale conversion of most image libraries.
_LUMA_C = np.array([0.299, 0.587, 0.114], dtype=np.float32)
_BLOCK = 1_000
"""Images converted to float at a time, to bound memory."""


@dataclass(frozen=True)
class PixelValues:
    """Pixel values of one part of a data set, per channel in the order red, green, blue.

    Attributes:
        minimum: smallest stored value, 0 to 255.
        maximum: largest stored value, 0 to 255.
        mean: on the [0, 1] scale.
        std: population standard deviation on the [0, 1] scale.
    """

    minimum: tuple[int, ...]
    maximum: tuple[int, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True)
class Distribution:
    """Percentiles and mean of one value per image."""

    p5: float
    p25: float
    median: float
    p75: float
    p95: float
    mean: float


@dataclass(frozen=True)
class Distributions:
    """Distribution of one value over all images and over the images of each non-empty class."""

    overall: Distribution
    by_class: dict[str, Distribution]


@dataclass(frozen=True)
class Statistics:
    """Statistics of a data set.

    Attributes:
        images: number of images of each part.
        class_counts: number of images by part and class.
        values: pixel values of the training and of the test images.
        brightness: mean luma of the training images, 0 to 1.
        contrast: standard deviation of the luma of the training images, 0 to 0.5.
    """

    images: dict[str, int]
    class_counts: dict[str, dict[str, int]]
    height: int
    width: int
    values: dict[str, PixelValues]
    brightness: Distributions
    contrast: Distributions


def describe(dataset: ImageDataset, split: Split) -> Statistics:
    """Compute the statistics of a data set."""
    training, test = dataset.training, dataset.test
    labels = {
        "train": training.labels_N[split.train],
        "validation": training.labels_N[split.validation],
        "holdout": training.labels_N[split.holdout],
        "test": test.labels_N,
    }
    brightness_N, contrast_N = brightness_and_contrast(training.images_NHWC)
    _, height, width, _ = training.images_NHWC.shape
    return Statistics(
        images={part: len(labels_N) for part, labels_N in labels.items()},
        class_counts={part: class_counts(labels_N, dataset.class_names) for part, labels_N in labels.items()},
        height=height,
        width=width,
        values={"training": pixel_values(training.images_NHWC), "test": pixel_values(test.images_NHWC)},
        brightness=distributions(brightness_N, training.labels_N, dataset.class_names),
        contrast=distributions(contrast_N, training.labels_N, dataset.class_names),
    )


def class_counts(labels_N: npt.NDArray[np.int64], class_names: tuple[str, ...]) -> dict[str, int]:
    """Number of images of each class, including empty classes."""
    counts_K = np.bincount(labels_N, minlength=len(class_names)).tolist()
    return dict(zip(class_names, counts_K, strict=True))


def pixel_values(images_NHWC: npt.NDArray[np.uint8]) -> PixelValues:
    """Range, mean and standard deviation of each channel of uint8 [N, H, W, 3]."""
    occurs_CV = value_counts(images_NHWC) > 0
    mean_C, std_C = channel_statistics(images_NHWC)
    return PixelValues(
        minimum=tuple(occurs_CV.argmax(axis=1).tolist()),
        maximum=tuple((255 - occurs_CV[:, ::-1].argmax(axis=1)).tolist()),
        mean=tuple(mean_C.tolist()),
        std=tuple(std_C.tolist()),
    )


def brightness_and_contrast(
    images_NHWC: npt.NDArray[np.uint8],
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Mean [N] and standard deviation [N] of each image's luma on the [0, 1] scale, float32.

    The standard deviation is the root-mean-square contrast (E. Peli, Contrast in complex images, 1990).
    """
    brightness_N = np.empty(len(images_NHWC), dtype=np.float32)
    contrast_N = np.empty(len(images_NHWC), dtype=np.float32)
    for start in range(0, len(images_NHWC), _BLOCK):
        block = slice(start, start + _BLOCK)
        luma_NHW = scale_pixels(images_NHWC[block]) @ _LUMA_C
        brightness_N[block] = luma_NHW.mean(axis=(1, 2))
        contrast_N[block] = luma_NHW.std(axis=(1, 2))
    return brightness_N, contrast_N


def distributions(
    values_N: npt.NDArray[np.float32], labels_N: npt.NDArray[np.int64], class_names: tuple[str, ...]
) -> Distributions:
    """Distribution of one value per image, overall and by class."""
    present = np.unique(labels_N).tolist()
    by_class = {class_names[label]: _distribution(values_N[labels_N == label]) for label in present}
    return Distributions(_distribution(values_N), by_class)


def mean_images(part: LabelledImages, classes: int) -> npt.NDArray[np.uint8]:
    """Mean image of each class, uint8 [K, H, W, 3]; black for an empty class."""
    means_KHWC = np.zeros((classes, *part.images_NHWC.shape[1:]), dtype=np.uint8)
    for label in np.unique(part.labels_N):
        # Indexing copies the images of one class only; the sum is exact in uint64.
        of_class_NHWC = part.images_NHWC[part.labels_N == label]
        total_HWC = of_class_NHWC.sum(axis=0, dtype=np.uint64)
        means_KHWC[label] = np.rint(total_HWC / len(of_class_NHWC)).astype(np.uint8)
    return means_KHWC


def _distribution(values_N: npt.NDArray[np.float32]) -> Distribution:
    p5, p25, median, p75, p95 = np.percentile(values_N.astype(np.float64), (5, 25, 50, 75, 95)).tolist()
    return Distribution(p5, p25, median, p75, p95, float(values_N.mean(dtype=np.float64)))
