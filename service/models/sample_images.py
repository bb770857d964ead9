"""Sample images for the playground: labeled CIFAR-10 test images from a local data set."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from pathlib import Path

from core.errors import DataError
from core.images.cifar_reader import LabelledImages, find_python_batches, read_test_images
from service.saliency.render import to_png

log = logging.getLogger("duet.service")
_EVERY = 10
"""Every tenth test image is kept: 1,000 images, 3 MB."""


@dataclass(frozen=True)
class Sample:
    """One image as a PNG file, with its label."""

    png: bytes
    label: str


class Samples:
    """Sample images, read from the data set on first use. Methods block and are thread-safe."""

    def __init__(self, *folders: Path | None) -> None:
        """`folders` that may contain the data set, in order of preference."""
        self._folders = folders
        self._lock = threading.Lock()
        self._read: LabelledImages | None = None
        self._refused = False

    def count(self) -> int:
        """Number of images; 0 if there is no data set or it cannot be read (see the log)."""
        images = self._images()
        return 0 if images is None else len(images.labels_N)

    def sample(self, index: int) -> Sample | None:
        """The image at `index`, or None if the index is out of range."""
        images = self._images()
        if images is None or not 0 <= index < len(images.labels_N):
            return None
        label = images.class_names[images.labels_N[index]]
        return Sample(to_png(images.pixels_NHWC[index]), label)

    def _images(self) -> LabelledImages | None:
        with self._lock:
            if self._read is None and not self._refused:
                try:
                    folder = find_python_batches(*self._folders)
                    self._read = None if folder is None else read_test_images(folder, every=_EVERY)
                except DataError as error:
                    self._refused = True
                    log.warning("sample images are not available: %s", error)
            return self._read
