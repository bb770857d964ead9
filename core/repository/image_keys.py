"""Content keys of a version's images (images.npz), and other versions' predictions of its holdout.

A key identifies an image by its content, so that versions of a growing data set are compared on images that neither was
trained on. Keys have 64 bits: among 50,000 images, the probability that two share a key is below 1e-9. Versions of data
sets that never change have neither file.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from core.errors import DataError
from core.files.npz import NPZ_ERRORS

IMAGE_KEYS_NAME = "images.npz"
CHAMPION_PREDICTIONS_NAME = "champion_predictions.npz"
Keys = npt.NDArray[np.uint64]
Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True, eq=False)
class ImageKeys:
    """Keys of the images of a version, uint64.

    Attributes:
        trained: keys of all images that its weights were trained on, including those of the version that it starts
            from; ascending.
        holdout: keys of the holdout images, in the order of predictions.npz.
    """

    trained: Keys
    holdout: Keys


@dataclass(frozen=True, eq=False)
class HoldoutPredictions:
    """Predictions of another version for N holdout images.

    Attributes:
        keys: uint64 [N].
        probabilities: float32 [N, K] after temperature, over the classes of that version.
    """

    keys: Keys
    probabilities: npt.NDArray[np.float32]


def save_image_keys(folder: Path, keys: ImageKeys) -> None:
    """Write `folder`/images.npz without pickled objects."""
    np.savez_compressed(folder / IMAGE_KEYS_NAME, allow_pickle=False, trained=keys.trained, holdout=keys.holdout)


def load_image_keys(folder: Path) -> ImageKeys:
    """Read `folder`/images.npz.

    Raises:
        DataError: the file cannot be read, or an array is missing or has a wrong type or shape.
    """
    arrays = _read(folder / IMAGE_KEYS_NAME)
    return ImageKeys(_keys(arrays, "trained", IMAGE_KEYS_NAME), _keys(arrays, "holdout", IMAGE_KEYS_NAME))


def save_champion_predictions(folder: Path, predictions: Mapping[str, HoldoutPredictions]) -> None:
    """Write `folder`/champion_predictions.npz with the predictions of each version, by its reference."""
    arrays: dict[str, npt.NDArray[np.generic]] = {}
    for reference, one in predictions.items():
        arrays[f"{reference}.keys"] = one.keys
        arrays[f"{reference}.probabilities"] = one.probabilities
    np.savez_compressed(folder / CHAMPION_PREDICTIONS_NAME, allow_pickle=False, **arrays)


def load_champion_predictions(folder: Path) -> dict[str, HoldoutPredictions]:
    """Read `folder`/champion_predictions.npz.

    Raises:
        DataError: the file cannot be read, or an array is missing or has a wrong type, shape or value.
    """
    arrays = _read(folder / CHAMPION_PREDICTIONS_NAME)
    references = [name.removesuffix(".keys") for name in arrays if name.endswith(".keys")]
    return {reference: _predictions(arrays, reference) for reference in references}


def _predictions(arrays: Arrays, reference: str) -> HoldoutPredictions:
    keys_N = _keys(arrays, f"{reference}.keys", CHAMPION_PREDICTIONS_NAME)
    name = f"{reference}.probabilities"
    probabilities_NK = _array(arrays, name, CHAMPION_PREDICTIONS_NAME)
    if probabilities_NK.dtype != np.float32 or probabilities_NK.ndim != 2 or len(probabilities_NK) != len(keys_N):
        raise _damaged(CHAMPION_PREDICTIONS_NAME, name, probabilities_NK, f"float32 [{len(keys_N)}, K]")
    if not ((probabilities_NK >= 0) & (probabilities_NK <= 1)).all():
        raise DataError(f"{CHAMPION_PREDICTIONS_NAME} is damaged: array {name!r} has values outside of 0 to 1")
    return HoldoutPredictions(keys_N, probabilities_NK)


def _keys(arrays: Arrays, name: str, file: str) -> Keys:
    keys_N = _array(arrays, name, file)
    if keys_N.dtype != np.uint64 or keys_N.ndim != 1:
        raise _damaged(file, name, keys_N, "uint64 [N]")
    return keys_N


def _array(arrays: Arrays, name: str, file: str) -> npt.NDArray[Any]:
    try:
        return arrays[name]
    except KeyError as error:
        raise DataError(f"{file} is damaged: it has no array {name!r}") from error


def _damaged(file: str, name: str, array: npt.NDArray[Any], expected: str) -> DataError:
    return DataError(f"{file} is damaged: array {name!r} is {array.dtype} {list(array.shape)} instead of {expected}")


def _read(path: Path) -> Arrays:
    try:
        # Read first: NumPy leaves a damaged file open.
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except NPZ_ERRORS as error:
        raise DataError(f"{path.name} cannot be read: {error}") from error
