"""Automatic image size: chosen from the sides of the images, with the reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.errors import DataError
from core.images.labelled_folders import LabelledFolder, read_folder
from core.repository.manifest import Geometry
from training.data.image_size import choose_image_size


def folder(home: Path, *sizes: tuple[int, int]) -> LabelledFolder:
    path = home / "datasets" / "pets" / "cat"
    path.mkdir(parents=True)
    for number, (width, height) in enumerate(sizes):
        Image.fromarray(np.zeros((height, width, 3), np.uint8)).save(path / f"{number}.png")
    (path / "notes.txt").write_text("no image")
    return read_folder(home, "pets")


@pytest.mark.parametrize(
    ("sizes", "geometry", "expected"),
    [
        ([(640, 480)] * 20, "crop", 224),
        ([(640, 130)] * 20, "crop", 128),
        ([(640, 130)] * 20, "stretch", 128),
        ([(200, 130)] * 20, "pad", 192),
        ([(10, 20)] * 20, "crop", 32),
        ([(640, 480)] * 19 + [(40, 40)], "crop", 224),  # one small image in twenty does not decide
        ([(640, 480)] * 15 + [(70, 70)] * 5, "crop", 64),
    ],
)
def test_size_enlarges_few_images(
    tmp_path: Path, sizes: list[tuple[int, int]], geometry: Geometry, expected: int
) -> None:
    size, reason = choose_image_size(folder(tmp_path, *sizes), geometry, "cnn")
    assert size == expected
    assert reason.startswith(f"image size {expected}: the {'longer' if geometry == 'pad' else 'shorter'} side of 90%")
    assert f"of {len(sizes)} images has at least" in reason


def test_dense_network_gets_the_smallest_size(tmp_path: Path) -> None:
    size, reason = choose_image_size(folder(tmp_path, (640, 480)), "crop", "mlp")
    assert (size, "dense network" in reason) == (32, True)


def test_pretrained_network_gets_the_size_of_its_weights(tmp_path: Path) -> None:
    size, reason = choose_image_size(folder(tmp_path, (70, 70)), "crop", "backbone")
    assert (size, "weights" in reason) == (224, True)


def test_folder_without_images_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="folder:pets has no readable image"):
        choose_image_size(folder(tmp_path), "crop", "cnn")
