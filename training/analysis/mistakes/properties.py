"""Image properties that may correlate with errors, and the error rate as a function of one of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.stats import rankdata

from core.errors import DataError
from core.images.near_duplicates import NearDuplicateIndex
from core.records.mistakes import Pattern, PropertyBin, PropertyName
from core.repository.manifest import GRADIENT_GRAPH
from core.repository.onnx_session import open_session
from core.statistics.intervals import difference_of_proportions, proportion, statistic_estimate
from training.analysis.explore.statistics import brightness_and_contrast
from training.data.preprocessing import one_hot, scale_pixels

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

Pixels = npt.NDArray[np.uint8]
Doubles = npt.NDArray[np.float64]
_LUMA_C = np.array([0.299, 0.587, 0.114])
_BATCH = 100

DESCRIPTIONS: Mapping[PropertyName, str] = MappingProxyType(
    {
        "brightness": "mean luma, 0 to 1",
        "contrast": "standard deviation of the luma, 0 to 0.5",
        "edges": "mean slope of the luma between neighboring pixels (Sobel), per pixel",
        "off_centre": "distance of the saliency's centroid from the middle, in half sides of the image",
        "similarity": "cosine of whitened thumbnails with the most similar training image, at most 1",
    }
)
BINS = 5
_RESAMPLES = 300
Bools = npt.NDArray[np.bool_]


def image_properties(images_NHWC: Pixels, training_NHWC: Pixels) -> dict[PropertyName, Doubles]:
    """Properties that do not depend on a model, float64 [N] each.

    Args:
        images_NHWC: uint8 [N, H, W, 3].
        training_NHWC: training images, uint8, for the nearest-neighbor search.
    """
    brightness_N, contrast_N = brightness_and_contrast(images_NHWC)
    _, similarity_N = NearDuplicateIndex(training_NHWC).nearest(images_NHWC)
    return {
        "brightness": brightness_N.astype(np.float64),
        "contrast": contrast_N.astype(np.float64),
        "edges": edge_density(images_NHWC),
        "similarity": similarity_N.astype(np.float64),
    }


def edge_density(images_NHWC: Pixels) -> Doubles:
    """Mean gradient magnitude of the luma by the Sobel operator; a ramp of s per pixel gives s."""
    luma_NHW = images_NHWC @ _LUMA_C / 255
    slopes = [
        ndimage.correlate1d(
            ndimage.correlate1d(luma_NHW, [-0.5, 0, 0.5], axis=along, mode="nearest"),
            [0.25, 0.5, 0.25],
            axis=3 - along,
            mode="nearest",
        )
        for along in (1, 2)
    ]
    return np.asarray(np.hypot(*slopes).mean(axis=(1, 2)))


def gradient_session(folder: Path, *, threads: int) -> InferenceSession:
    """Open gradient.onnx of a version.

    Raises:
        DataError: the file is missing.
    """
    path = folder / GRADIENT_GRAPH
    if not path.is_file():
        raise DataError(f"{folder} has no {GRADIENT_GRAPH}: publish the version again with `duet export`")
    return open_session(path, threads=threads)


def saliency_maps(
    session: InferenceSession, images_NHWC: Pixels, target_N: npt.NDArray[np.int64], classes: int
) -> Doubles:
    """Maximum |d logit / d pixel| over the channels of each pixel, float64 [N, H, W].

    Args:
        session: session from `gradient_session`.
        images_NHWC: uint8 [N, H, W, 3].
        target_N: class of the logit for each image.
        classes: number of classes K.
    """
    parts = []
    for start in range(0, len(images_NHWC), _BATCH):
        block = slice(start, start + _BATCH)
        inputs = {"pixels": scale_pixels(images_NHWC[block]), "target": one_hot(target_N[block], classes)}
        parts.append(np.abs(session.run(["gradient"], inputs)[0]).max(axis=-1))
    return np.concatenate(parts).astype(np.float64)


def off_centre(maps_NHW: Doubles) -> Doubles:
    """Distance of each map's centroid from the center, in half sides: 1 at the middle of a side.

    0 if the map is all zeros.
    """
    _, height, width = maps_NHW.shape
    rows, columns = ((np.arange(side) + 0.5) / side * 2 - 1 for side in (height, width))
    total_N = maps_NHW.sum(axis=(1, 2))
    safe_N = np.where(total_N > 0, total_N, 1)
    down_N = (maps_NHW.sum(axis=2) @ rows) / safe_N
    right_N = (maps_NHW.sum(axis=1) @ columns) / safe_N
    return np.asarray(np.hypot(down_N, right_N))


def pattern(name: PropertyName, values_N: Doubles, wrong_N: Bools) -> Pattern:
    """Error rate by fifths of a property of N >= 5 images, with its trend and separation."""
    parts = np.array_split(np.argsort(values_N, kind="stable"), BINS)
    counts = [(int(wrong_N[part].sum()), len(part)) for part in parts]
    return Pattern(
        name=name,
        description=DESCRIPTIONS[name],
        bins=tuple(
            PropertyBin(
                low=float(values_N[part[0]]), high=float(values_N[part[-1]]), images=len(part), error=proportion(*count)
            )
            for part, count in zip(parts, counts, strict=True)
        ),
        trend=difference_of_proportions(counts[-1], counts[0]),
        separation=(
            statistic_estimate(separation, values_N, wrong_N, resamples=_RESAMPLES)
            if 0 < wrong_N.sum() < len(wrong_N)
            else None
        ),
    )


def separation(values_N: Doubles, wrong_N: Bools) -> float:
    """Area under the ROC curve: P(value of a wrong image > value of a correct one), ties count half.

    Computed from the rank sum (Mann and Whitney 1947). 0.5 if all or none are wrong, which occurs in resamples.
    """
    wrong = int(wrong_N.sum())
    right = len(wrong_N) - wrong
    if not wrong or not right:
        return 0.5
    ranks = float(rankdata(values_N)[wrong_N].sum())
    return (ranks - wrong * (wrong + 1) / 2) / (wrong * right)
