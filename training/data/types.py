"""Data set types: labeled images in memory, with class names and license."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from core.errors import DataError
from core.repository.manifest import Geometry


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """N images of one size with their classes.

    Attributes:
        images_NHWC: uint8 [N, H, W, 3], RGB, 0 to 255.
        labels_N: int64 [N], class indices.
        keys_N: uint64 [N], content keys of the images; None for data sets that never change.

    Raises:
        DataError: an array has the wrong dtype or shape, or there are no images.
    """

    images_NHWC: npt.NDArray[np.uint8]
    labels_N: npt.NDArray[np.int64]
    keys_N: npt.NDArray[np.uint64] | None = None

    def __post_init__(self) -> None:
        images, labels = self.images_NHWC, self.labels_N
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] != 3 or 0 in images.shape:
            raise DataError(f"images must be uint8 [N, H, W, 3], not {images.dtype} {list(images.shape)}")
        if labels.dtype != np.int64 or labels.shape != images.shape[:1]:
            raise DataError(
                f"labels must be int64 [{images.shape[0]}], one per image, not {labels.dtype} {list(labels.shape)}"
            )
        keys = self.keys_N
        if keys is not None and (keys.dtype != np.uint64 or keys.shape != labels.shape):
            raise DataError(f"keys must be uint64 [{images.shape[0]}], not {keys.dtype} {list(keys.shape)}")

    def __len__(self) -> int:
        return len(self.labels_N)


@dataclass(frozen=True, eq=False)
class ImageDataset:
    """Image classification data set; labels are indices into `class_names`.

    Attributes:
        name: short name, such as `cifar10`.
        class_names: at least two names, in the order of the labels.
        training: training images, before the split of `training.data.splits`.
        test: test images, used only for reporting.
        licence: terms of use and provenance, as a sentence.
        geometry: method that fitted images to the square; None if the data set has a fixed image size.
        folder_digest: version of the image folder, `LabelledFolder.digest`; None for other data sets.

    Raises:
        DataError: a label has no class name, or training and test images differ in size.
    """

    name: str
    class_names: tuple[str, ...]
    training: LabelledImages
    test: LabelledImages
    licence: str
    geometry: Geometry | None = None
    folder_digest: str | None = None

    def __post_init__(self) -> None:
        if self.training.images_NHWC.shape[1:] != self.test.images_NHWC.shape[1:]:
            raise DataError(f"training and test images of {self.name} differ in size")
        for part in (self.training, self.test):
            if part.labels_N.min() < 0 or part.labels_N.max() >= len(self.class_names):
                raise DataError(f"{self.name} has labels outside its {len(self.class_names)} classes")

    @cached_property
    def digest(self) -> str:
        """sha256, as 64 hexadecimal digits, over shapes, images and labels in order, and class names."""
        digest = hashlib.sha256()
        for part in (self.training, self.test):
            digest.update(np.asarray(part.images_NHWC.shape, dtype="<i8").tobytes())
            digest.update(np.ascontiguousarray(part.images_NHWC).data)
            digest.update(part.labels_N.astype("<i8").tobytes())
        for name in self.class_names:
            encoded = name.encode()
            digest.update(len(encoded).to_bytes(8, "little") + encoded)
        return digest.hexdigest()
