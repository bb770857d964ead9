from pathlib import Path

import numpy as np
import pytest

from core.errors import DataError
from core.repository.predictions import PREDICTIONS_NAME, SplitPredictions, load_predictions, save_predictions

PROBABILITIES = np.array([[0.7, 0.3], [0.2, 0.8]], dtype=np.float32)
SPLIT = SplitPredictions(np.array([4, 9]), np.array([0, 0]), {"fp32": PROBABILITIES, "int8": PROBABILITIES[::-1]})


def test_saved_predictions_are_loaded(tmp_path: Path) -> None:
    save_predictions(tmp_path / PREDICTIONS_NAME, {"test": SPLIT})
    loaded = load_predictions(tmp_path, "test")
    np.testing.assert_array_equal(loaded.index, [4, 9])
    np.testing.assert_array_equal(loaded.labels, [0, 0])
    np.testing.assert_array_equal(loaded.probabilities["fp32"], PROBABILITIES)
    np.testing.assert_array_equal(loaded.predicted(), [0, 1])
    np.testing.assert_array_equal(loaded.predicted("int8"), [1, 0])


def test_missing_predictions_error_gives_advice(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="duet export"):
        load_predictions(tmp_path, "test")


def test_missing_split_is_an_error(tmp_path: Path) -> None:
    save_predictions(tmp_path / PREDICTIONS_NAME, {"test": SPLIT})
    with pytest.raises(DataError, match="no predictions for the holdout"):
        load_predictions(tmp_path, "holdout")
