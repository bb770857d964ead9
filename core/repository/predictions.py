"""predictions.npz: stored probabilities of a version for every holdout and test image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from core.errors import DataError
from core.files.npz import NPZ_ERRORS
from core.repository.manifest import Precision

PREDICTIONS_NAME = "predictions.npz"
Split = Literal["holdout", "test"]


@dataclass(frozen=True)
class SplitPredictions:
    """Predictions for the N images of one split, in the order of the data set.

    Attributes:
        index: int64 [N], positions of the images in the training or test part of the data set.
        labels: int64 [N], true classes.
        probabilities: float32 [N, K] for each precision, after temperature.
    """

    index: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int64]
    probabilities: Mapping[Precision, npt.NDArray[np.float32]]

    def predicted(self, precision: Precision = "fp32") -> npt.NDArray[np.int64]:
        """The most probable class of each image, int64 [N]."""
        return np.asarray(self.probabilities[precision].argmax(axis=1), dtype=np.int64)


def save_predictions(path: Path, splits: Mapping[Split, SplitPredictions]) -> None:
    """Write all splits into one compressed .npz without pickled objects."""
    arrays: dict[str, npt.NDArray[np.generic]] = {}
    for name, split in splits.items():
        arrays[f"{name}.index"] = split.index.astype(np.int64)
        arrays[f"{name}.labels"] = split.labels.astype(np.int64)
        for precision, probabilities_NK in split.probabilities.items():
            arrays[f"{name}.{precision}"] = probabilities_NK.astype(np.float32)
    np.savez_compressed(path, allow_pickle=False, **arrays)


def load_predictions(folder: Path, split: Split) -> SplitPredictions:
    """Read one split of `folder`/predictions.npz.

    Raises:
        DataError: the file cannot be read, or has no predictions for this split.
    """
    path = folder / PREDICTIONS_NAME
    if not path.is_file():
        raise DataError(f"{folder} has no {PREDICTIONS_NAME}: publish the version again with `duet export`")
    try:
        with np.load(path, allow_pickle=False) as arrays:
            if f"{split}.labels" not in arrays:
                raise DataError(f"{path} holds no predictions for the {split} images")
            probabilities: dict[Precision, npt.NDArray[np.float32]] = {}
            for precision in ("fp32", "bf16", "int8"):
                if f"{split}.{precision}" in arrays:
                    probabilities[precision] = arrays[f"{split}.{precision}"]
            return SplitPredictions(arrays[f"{split}.index"], arrays[f"{split}.labels"], probabilities)
    except NPZ_ERRORS as error:
        raise DataError(f"{PREDICTIONS_NAME} cannot be read: {error}") from error
