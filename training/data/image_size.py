"""Automatic image size: the largest size to which most images of a folder are reduced instead of enlarged."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

import numpy as np

from core.errors import DataError
from core.files.regular import read_regular
from core.images.file_types import reader_of
from core.images.labelled_folders import LabelledFolder
from core.repository.manifest import Geometry

SIZES = (32, 48, 64, 96, 128, 160, 192, 224)
"""Sizes to choose from, in pixels."""
_SAMPLED = 500
"""Images whose size is read, evenly spaced over the folder."""
_QUANTILE = 0.1
"""Share of the images that may be enlarged."""


def choose_image_size(folder: LabelledFolder, geometry: Geometry, kind: str) -> tuple[int, str]:
    """Image size for training on a folder, and the reason as a sentence.

    A dense network (`mlp`) gets the smallest size: its first layer grows with the number of pixels. A pretrained
    network (`backbone`) gets the largest one, at which its weights were trained.

    Args:
        folder: the data set.
        geometry: fit of the images. A padded image keeps its longer side, others their shorter one.
        kind: kind of the network.

    Raises:
        DataError: the folder has no readable image.
    """
    if kind == "mlp":
        return SIZES[0], (f"image size {SIZES[0]}: the first layer of a dense network grows with the number of pixels")
    if kind == "backbone":
        return SIZES[-1], f"image size {SIZES[-1]}: the weights of the network were trained on images of this size"
    sides = _sides(folder, geometry)
    if not sides:
        raise DataError(f"{folder.data} has no readable image: add images")
    side = float(np.quantile(sides, _QUANTILE))
    size = max((one for one in SIZES if one <= side), default=SIZES[0])
    which = "longer" if geometry == "pad" else "shorter"
    return size, (
        f"image size {size}: the {which} side of {1 - _QUANTILE:.0%} of {len(sides):,} images has at least "
        f"{math.floor(side):,} pixels; the sizes are {SIZES[0]} to {SIZES[-1]}"
    )


def _sides(folder: LabelledFolder, geometry: Geometry) -> Sequence[int]:
    """The side in pixels that limits the size of each sampled image; unreadable files are left out."""
    files = [file for files in folder.files.values() for file in files]
    chosen = np.linspace(0, len(files) - 1, min(_SAMPLED, len(files))).round().astype(int).tolist()
    sides = []
    for position in chosen:
        try:
            data = read_regular(files[position].path)
            width, height = reader_of(data)(io.BytesIO(data)).size
        except Exception:  # noqa: S112  Pillow's readers raise many kinds of errors on damaged data
            continue
        sides.append(max(width, height) if geometry == "pad" else min(width, height))
    return sides
