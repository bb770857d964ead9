"""Content keys of a version's images (images.npz), and other versions' predictions of its holdout.

A key identifies an image by its content, so that versions of a growing data set are compared on images that neither was
trained on. Keys have 64 bits: among 50,000 images, the probability that two share a key is below 1e-9. Versions of data
sets that never change have neither file.
"""

from __future__ import annotations

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
        DataError: the file cannot be read.
    """
    arrays = _read(folder / IMAGE_KEYS_NAME)
    try:
        return ImageKeys(arrays["trained"], arrays["holdout"])
    except KeyError as error:
        raise DataError(f"{IMAGE_KEYS_NAME} has no array {error}") from error


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
        DataError: the file cannot be read.
    """
    arrays = _read(folder / CHAMPION_PREDICTIONS_NAME)
    references = [name.removesuffix(".keys") for name in arrays if name.endswith(".keys")]
    try:
        return {
            reference: HoldoutPredictions(arrays[f"{reference}.keys"], arrays[f"{reference}.probabilities"])
            for reference in references
        }
    except KeyError as error:
        raise DataError(f"{CHAMPION_PREDICTIONS_NAME} has no array {error}") from error


def _read(path: Path) -> dict[str, npt.NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except NPZ_ERRORS as error:
        raise DataError(f"{path.name} cannot be read: {error}") from error
