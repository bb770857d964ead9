"""Test images at hand: pictures that no model was trained on, and what they really show."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from pathlib import Path

from core.errors import DataError
from core.images.cifar_reader import LabelledImages, find_python_batches, read_test_images
from service.saliency.png import enlarged_png

log = logging.getLogger("duet.service")
_EVERY = 10
"""Of ten thousand images one thousand are kept, which takes 3 MB."""


@dataclass(frozen=True)
class Sample:
    """One picture as a PNG file, and the label it came with."""

    png: bytes
    label: str


class Samples:
    """Reads the data set when first asked while it is there; blocks meanwhile, may be called from several threads."""

    def __init__(self, *places: Path | None) -> None:
        """`places` that may hold a data set, the first one first."""
        self._places = places
        self._lock = threading.Lock()
        self._read: LabelledImages | None = None
        self._refused = False

    def count(self) -> int:
        """How many there are; 0 where no data set is at hand or it cannot be read, which the log says."""
        pictures = self._pictures()
        return 0 if pictures is None else len(pictures.labels_N)

    def sample(self, index: int) -> Sample | None:
        """One of them; None where there is none at this place."""
        pictures = self._pictures()
        if pictures is None or not 0 <= index < len(pictures.labels_N):
            return None
        label = pictures.class_names[pictures.labels_N[index]]
        return Sample(enlarged_png(pictures.pixels_NHWC[index], 1), label)

    def _pictures(self) -> LabelledImages | None:
        with self._lock:
            if self._read is None and not self._refused:
                try:
                    folder = find_python_batches(*self._places)
                    self._read = None if folder is None else read_test_images(folder, every=_EVERY)
                except DataError as error:
                    self._refused = True
                    log.warning("no test images are shown: %s", error)
            return self._read
