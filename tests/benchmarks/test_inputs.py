from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from benchmarks.common.inputs import draw_images


def test_drawn_images_are_distinct_and_as_long_as_photographs() -> None:
    images = draw_images(64, height=32, width=32)
    assert len(set(images.pngs)) == 64
    # CIFAR-10's test images take 2,265 bytes as PNG on average.
    assert np.mean([len(png) for png in images.pngs]) == pytest.approx(2265, rel=0.1)


def test_drawn_images_equal_their_png_files() -> None:
    images = draw_images(3, height=20, width=24)
    assert images.images_NHWC.shape == (3, 20, 24, 3)
    for png, image_HWC in zip(images.pngs, images.images_NHWC, strict=True):
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(png))), image_HWC)
