"""Sample images for the playground: twenty CIFAR-10 test images that ship, then those of a local data set."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from core.errors import DataError
from core.images.cifar_reader import LabelledImages, find_python_batches, read_test_images
from service.engine.arrays import Pixels
from service.saliency.render import to_png

log = logging.getLogger("duet.service")
_EVERY = 10
"""Every tenth test image is kept: 1,000 images, 3 MB."""
EXAMPLES = Path(__file__).with_name("examples")
"""Folder of the images that ship: the first two test images of each class, `INDEX-LABEL.png`."""


@dataclass(frozen=True)
class Sample:
    """One image as a PNG file, with its label."""

    png: bytes
    label: str


@cache
def shipped_examples() -> tuple[Sample, ...]:
    """The images that ship, one of each class and then another one of each class."""
    return tuple(Sample(path.read_bytes(), path.stem.split("-")[1]) for path in sorted(EXAMPLES.glob("*.png")))


def example_pixels() -> list[Pixels]:
    """Pixels of the images that ship, uint8 [h, w, 3] each."""
    images = (Image.open(BytesIO(sample.png)) for sample in shipped_examples())
    return [np.asarray(image.convert("RGB")) for image in images]


class Samples:
    """Sample images; those of the data set are read on first use. Methods block and are thread-safe."""

    def __init__(self, *folders: Path | None) -> None:
        """`folders` that may contain the data set, in order of preference."""
        self._folders = folders
        self._lock = threading.Lock()
        self._read: LabelledImages | None = None
        self._refused = False

    def count(self) -> int:
        """Number of images; only those that ship if there is no data set or it cannot be read (see the log)."""
        images = self._images()
        return len(shipped_examples()) + (0 if images is None else len(images.labels_N))

    def sample(self, index: int) -> Sample | None:
        """The image at `index`, or None if the index is out of range."""
        examples = shipped_examples()
        if 0 <= index < len(examples):
            return examples[index]
        index -= len(examples)
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
