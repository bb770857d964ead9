"""Safe reader for the test images of a data set in CIFAR-10's Python (pickle) format.

Unpickling can call any function. This reader allows only the functions of a numpy array, see "Restricting Globals" in
the documentation of `pickle`.
"""

from __future__ import annotations

import math
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from core.errors import DataError
from core.images.cifar_files import FOLDER_NAME, META_FILE, TEST_FILE

_CHANNELS = 3
_ARRAY_GLOBALS = frozenset(
    {
        ("numpy.core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "_reconstruct"),
        ("numpy", "ndarray"),
        ("numpy", "dtype"),
        ("_codecs", "encode"),  # bytes in protocol 2
    }
)


@dataclass(frozen=True)
class LabelledImages:
    """Labeled images: uint8 RGB pixels, and labels as indices into `class_names`."""

    pixels_NHWC: npt.NDArray[np.uint8]
    labels_N: Sequence[int]
    class_names: Sequence[str]


class _ArrayUnpickler(pickle.Unpickler):  # noqa: S301  finds only the names in _ARRAY_GLOBALS
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ARRAY_GLOBALS:
            raise pickle.UnpicklingError(f"{module}.{name} is not allowed")
        return super().find_class(module, name)


def find_python_batches(*places: Path | None) -> Path | None:
    """Find the first of `places` with test images, in it or in its `cifar-10-batches-py`; None if there is none.

    Raises:
        DataError: a folder cannot be read.
    """
    candidates = [folder for place in places if place is not None for folder in (place / FOLDER_NAME, place)]
    try:
        return next(
            (each for each in candidates if (each / TEST_FILE).is_file() and (each / META_FILE).is_file()), None
        )
    except OSError as error:
        raise DataError(f"cannot read {error.filename} ({error.strerror}): check its permissions") from error


def read_test_images(folder: Path, *, every: int = 1) -> LabelledImages:
    """Read the test images of a folder; with `every`, only each `every`-th image.

    Raises:
        DataError: a file cannot be read, or is not of this format.
    """
    batch, names = _read(folder / TEST_FILE), _read(folder / META_FILE).get("label_names", [])
    labels_N, pixels = batch.get("labels", []), batch.get("data")
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8:
        raise DataError(f"{folder / TEST_FILE} does not have pixels as uint8: restore the original file")
    side = math.isqrt(pixels.size // (_CHANNELS * max(1, len(labels_N))))
    if not side or pixels.size != len(labels_N) * _CHANNELS * side * side:
        raise DataError(f"{folder / TEST_FILE} does not have square images and their labels: restore the original file")
    if not all(label in range(len(names)) for label in labels_N):
        raise DataError(f"{folder / TEST_FILE} has labels that {META_FILE} does not name: restore the original files")
    planes_NCHW = pixels.reshape(-1, _CHANNELS, side, side)[::every]
    return LabelledImages(np.ascontiguousarray(planes_NCHW.transpose(0, 2, 3, 1)), labels_N[::every], names)


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as stream:
            content = _ArrayUnpickler(stream, encoding="latin-1").load()
    except OSError as error:
        raise DataError(f"cannot read {path} ({error.strerror}): check its permissions") from error
    except Exception as error:  # damaged pickles raise many kinds of errors
        raise DataError(f"{path} is damaged ({error}): restore the original file") from error
    if not isinstance(content, dict):
        raise DataError(f"{path} is not a batch of CIFAR-10: restore the original file")
    return content
