from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.serving.errors import BenchmarkError
from benchmarks.serving.pictures import cifar_pictures, drawn_pictures


def test_drawn_pictures_are_distinct_and_as_long_as_photographs() -> None:
    pictures = drawn_pictures(64, height=32, width=32)
    assert len(set(pictures.pngs)) == 64
    # CIFAR-10's test images take 2,265 bytes as PNG on average.
    assert np.mean([len(png) for png in pictures.pngs]) == pytest.approx(2265, rel=0.1)
    assert pictures.images_NHWC.shape == (64, 32, 32, 3)


def test_a_png_is_the_picture() -> None:
    pictures = drawn_pictures(3, height=20, width=24, seed=5)
    for png, image_HWC in zip(pictures.pngs, pictures.images_NHWC, strict=True):
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(png))), image_HWC)


def test_a_seed_makes_the_same_pictures() -> None:
    assert drawn_pictures(2, height=8, width=8, seed=1).pngs == drawn_pictures(2, height=8, width=8, seed=1).pngs
    assert drawn_pictures(2, height=8, width=8, seed=1).pngs != drawn_pictures(2, height=8, width=8, seed=2).pngs


def test_a_missing_or_foreign_data_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="test_batch: No such file"):
        cifar_pictures(4, tmp_path)
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    (folder / "test_batch").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    with pytest.raises(BenchmarkError, match="not CIFAR-10's published test file"):
        cifar_pictures(4, folder)
