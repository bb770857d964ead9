"""Safe CIFAR reader: test images from pickle files whose functions are not called."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from core.errors import DataError
from core.images.cifar_reader import find_python_batches, read_test_images
from tests.support.pictures import noise

NAMES = ["cat", "dog", "frog"]


def write(folder: Path, **changes: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    pixels_NHWC = np.stack([noise(8, 8, seed) for seed in range(2500)])
    batch = {
        "batch_label": "testing batch 1 of 1",
        "labels": [number % 3 for number in range(2500)],
        "data": np.ascontiguousarray(pixels_NHWC.transpose(0, 3, 1, 2)).reshape(2500, -1),
        "filenames": [f"{number}.png" for number in range(2500)],
    }
    (folder / "test_batch").write_bytes(pickle.dumps(batch | changes, protocol=2))
    (folder / "batches.meta").write_bytes(pickle.dumps({"num_vis": 192, "label_names": NAMES}, protocol=2))
    return folder


def test_reader_returns_written_pixels_labels_and_names(tmp_path: Path) -> None:
    images = read_test_images(write(tmp_path), every=7)
    assert list(images.class_names) == NAMES
    assert list(images.labels_N) == [number % 3 for number in range(0, 2500, 7)]
    np.testing.assert_array_equal(images.pixels_NHWC, np.stack([noise(8, 8, seed) for seed in range(0, 2500, 7)]))


def test_batches_are_found_in_the_folder_and_its_parent(tmp_path: Path) -> None:
    inner = write(tmp_path / "data" / "cifar-10-batches-py")
    assert find_python_batches(None, tmp_path / "none", tmp_path / "data") == inner
    assert find_python_batches(inner) == inner
    assert find_python_batches(None, tmp_path) is None


def test_reader_never_executes_the_pickle(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "run"),)

    for key in ("filenames", "data"):
        with pytest.raises(DataError, match=r"mkdir is not allowed\): restore the original file"):
            read_test_images(write(tmp_path / "data", **{key: [Trap()]}))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"labels": [0] * 2499},
        {"labels": []},
        {"data": np.zeros((2500, 191), np.uint8)},
        {"data": np.zeros((2500, 192))},
        {"labels": [3] * 2500},
    ],
    ids=["too few labels", "no labels", "not square", "not uint8", "a label without a name"],
)
def test_inconsistent_batches_are_refused(tmp_path: Path, changes: dict[str, object]) -> None:
    with pytest.raises(DataError, match="restore the original file"):
        read_test_images(write(tmp_path, **changes))


@pytest.mark.parametrize("content", [b"", b"no pickle", b"\x80\x02U\xffshort", pickle.dumps([1])])
def test_damaged_batch_is_refused(tmp_path: Path, content: bytes) -> None:
    (write(tmp_path) / "test_batch").write_bytes(content)
    with pytest.raises(DataError, match="test_batch"):
        read_test_images(tmp_path)


@pytest.mark.cifar10
def test_reader_equals_unpickling_on_real_data() -> None:
    folder = find_python_batches(Path(os.environ["DUET_DATA_DIR"])) if "DUET_DATA_DIR" in os.environ else None
    if folder is None:
        pytest.skip("CIFAR-10 not found at DUET_DATA_DIR")
    images = read_test_images(folder, every=100)
    with (folder / "test_batch").open("rb") as stream:
        batch = pickle.load(stream, encoding="bytes")
    expected_NHWC = batch[b"data"].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)[::100]
    np.testing.assert_array_equal(images.pixels_NHWC, expected_NHWC)
    assert list(images.labels_N) == batch[b"labels"][::100]
    assert (len(images.class_names), images.class_names[3]) == (10, "cat")
