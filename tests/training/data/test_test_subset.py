from __future__ import annotations

import numpy as np

from tests.support.cifar_files import small_dataset
from training.data.test_subset import SEED, stratified, subset_of_test


def test_stratified_subsets_are_balanced_and_nested() -> None:
    labels_N = np.random.default_rng(0).permutation(np.repeat(np.arange(4), 50))
    large, small = stratified(labels_N, 80), stratified(labels_N, 12)
    assert np.bincount(labels_N[large]).tolist() == [20] * 4
    assert np.bincount(labels_N[small]).tolist() == [3] * 4
    assert set(small) <= set(large)
    assert np.all(np.diff(large) > 0)
    assert np.any(stratified(labels_N, 12, seed=1) != small)


def test_stratified_count_is_limited_by_the_images() -> None:
    dataset = small_dataset(per_class_train=5, per_class_test=2)
    images, data = subset_of_test(dataset, 1000)
    assert (len(images), data.images, data.seed) == (20, 20, None)
    some, part = subset_of_test(dataset, 10)
    assert (len(some), part.seed, part.digest) == (10, SEED, dataset.digest)
