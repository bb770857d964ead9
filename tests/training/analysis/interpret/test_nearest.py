from __future__ import annotations

import numpy as np
import pytest

from tests.support.cifar_files import small_dataset
from training.analysis.explore.near_duplicates import NearDuplicateIndex


def test_the_nearest_image_is_found_as_it_is_and_mirrored() -> None:
    reference_NHWC = small_dataset(per_class_train=6).training.images_NHWC
    index = NearDuplicateIndex(reference_NHWC)
    queried_NHWC = reference_NHWC[[3, 40, 17]]
    queried_NHWC[1] = queried_NHWC[1][:, ::-1]
    positions, similarities = index.nearest(queried_NHWC)
    assert positions.tolist() == [3, 40, 17]
    assert similarities == pytest.approx(1, abs=1e-5)


def test_the_nearest_is_the_most_similar_of_all_also_across_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = small_dataset(per_class_train=4, per_class_test=2)
    index = NearDuplicateIndex(dataset.training.images_NHWC)
    whole = index.nearest(dataset.test.images_NHWC)
    monkeypatch.setattr("training.analysis.explore.near_duplicates._BLOCK", 7)
    parts = index.nearest(dataset.test.images_NHWC)
    np.testing.assert_array_equal(whole[0], parts[0])
    np.testing.assert_allclose(whole[1], parts[1], atol=1e-6)
    assert np.all(whole[1] <= 1 + 1e-6)
