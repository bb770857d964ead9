"""Keys of a version's images and stored champion predictions: written and read, and damaged files refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from core.errors import DataError
from core.repository.image_keys import (
    CHAMPION_PREDICTIONS_NAME,
    IMAGE_KEYS_NAME,
    HoldoutPredictions,
    ImageKeys,
    load_champion_predictions,
    load_image_keys,
    save_champion_predictions,
    save_image_keys,
)

KEYS = np.array([2**64 - 1, 0, 7], np.uint64)
PROBABILITIES = np.array([[0.25, 0.75], [1.0, 0.0], [0.5, 0.5]], np.float32)


def test_image_keys_are_read_as_written(tmp_path: Path) -> None:
    save_image_keys(tmp_path, ImageKeys(trained=KEYS, holdout=KEYS[:2]))
    read = load_image_keys(tmp_path)
    assert read.trained.dtype == read.holdout.dtype == np.uint64
    assert (read.trained.tolist(), read.holdout.tolist()) == (KEYS.tolist(), KEYS[:2].tolist())


def test_predictions_of_several_champions_are_read_as_written(tmp_path: Path) -> None:
    save_champion_predictions(
        tmp_path,
        {
            "pets@1": HoldoutPredictions(KEYS, PROBABILITIES),
            "pets@12": HoldoutPredictions(KEYS[:1], PROBABILITIES[:1]),
        },
    )
    read = load_champion_predictions(tmp_path)
    assert list(read) == ["pets@1", "pets@12"]
    assert read["pets@1"].keys.tolist() == KEYS.tolist()
    assert read["pets@1"].probabilities.tolist() == PROBABILITIES.tolist()
    assert read["pets@12"].keys.tolist() == KEYS[:1].tolist()


@pytest.mark.parametrize(
    ("arrays", "problem"),
    [
        ({"trained": KEYS}, "it has no array 'holdout'"),
        (
            {"trained": KEYS, "holdout": KEYS.astype(np.int64)},
            r"array 'holdout' is int64 \[3\] instead of uint64 \[N\]",
        ),
        ({"trained": KEYS[None], "holdout": KEYS}, r"array 'trained' is uint64 \[1, 3\] instead of uint64 \[N\]"),
    ],
)
def test_wrong_key_arrays_are_refused(tmp_path: Path, arrays: dict[str, npt.NDArray[Any]], problem: str) -> None:
    np.savez(tmp_path / IMAGE_KEYS_NAME, allow_pickle=False, **arrays)
    with pytest.raises(DataError, match=f"{IMAGE_KEYS_NAME} is damaged: {problem}"):
        load_image_keys(tmp_path)


@pytest.mark.parametrize(
    ("keys_N", "probabilities", "problem"),
    [
        (KEYS, None, "it has no array 'pets@1.probabilities'"),
        (KEYS.astype(np.float32), PROBABILITIES, r"array 'pets@1.keys' is float32 \[3\] instead of uint64 \[N\]"),
        (KEYS, PROBABILITIES[:2], r"array 'pets@1.probabilities' is float32 \[2, 2\] instead of float32 \[3, K\]"),
        (KEYS, PROBABILITIES[:, 0], r"array 'pets@1.probabilities' is float32 \[3\] instead of float32 \[3, K\]"),
        (KEYS, PROBABILITIES.astype(np.int64), "is int64"),
        (KEYS, np.full_like(PROBABILITIES, np.nan), "'pets@1.probabilities' has values outside of 0 to 1"),
        (KEYS, PROBABILITIES + 1, "'pets@1.probabilities' has values outside of 0 to 1"),
    ],
)
def test_wrong_champion_predictions_are_refused(
    tmp_path: Path, keys_N: npt.NDArray[Any], probabilities: npt.NDArray[Any] | None, problem: str
) -> None:
    arrays = {"pets@1.keys": keys_N} | ({} if probabilities is None else {"pets@1.probabilities": probabilities})
    np.savez(tmp_path / CHAMPION_PREDICTIONS_NAME, allow_pickle=False, **arrays)
    with pytest.raises(DataError, match=f"{CHAMPION_PREDICTIONS_NAME} is damaged: .*{problem}"):
        load_champion_predictions(tmp_path)


@pytest.mark.parametrize("content", [b"", b"x" * 100])
def test_file_that_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / IMAGE_KEYS_NAME).write_bytes(content)
    (tmp_path / CHAMPION_PREDICTIONS_NAME).write_bytes(content)
    with pytest.raises(DataError, match=f"{IMAGE_KEYS_NAME} cannot be read"):
        load_image_keys(tmp_path)
    with pytest.raises(DataError, match=f"{CHAMPION_PREDICTIONS_NAME} cannot be read"):
        load_champion_predictions(tmp_path)


def test_torn_file_is_refused(tmp_path: Path) -> None:
    save_champion_predictions(tmp_path, {"pets@1": HoldoutPredictions(KEYS, PROBABILITIES)})
    path = tmp_path / CHAMPION_PREDICTIONS_NAME
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DataError, match=f"{CHAMPION_PREDICTIONS_NAME} cannot be read"):
        load_champion_predictions(tmp_path)
