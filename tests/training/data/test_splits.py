from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import DataError
from tests.support.cifar_files import real_cifar10, small_dataset
from training.data.splits import SEED, Split, make_split, read_cifar10_split, split_for


def parts(split: Split) -> tuple[np.ndarray, ...]:
    return split.train, split.validation, split.holdout


def assert_divides(split: Split, images: int) -> None:
    assert np.sort(np.concatenate(parts(split))).tolist() == list(range(images))
    for part in parts(split):
        assert part.dtype == np.int64
        assert (np.diff(part) > 0).all()


def test_stored_split_divides_every_training_image() -> None:
    split = read_cifar10_split()[0]
    assert [len(part) for part in parts(split)] == [40_000, 5_000, 5_000]
    assert_divides(split, 50_000)


def test_stored_split_has_the_published_digest() -> None:
    assert read_cifar10_split()[0].digest == "6bfea578f209051951a1d21b617413b82cc6ddc638c26304b7b122ae5d5beed2"


@given(
    counts=st.lists(st.integers(1, 60), min_size=2, max_size=8),
    shares=st.tuples(st.floats(0, 0.4), st.floats(0, 0.4)),
    seed=st.integers(0, 2**32),
)
def test_split_parts_have_the_given_size_and_class_proportions(
    counts: list[int], shares: tuple[float, float], seed: int
) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    validation, holdout = (int(len(labels) * share) for share in shares)
    split = make_split(labels, validation=validation, holdout=holdout, seed=seed)
    assert_divides(split, len(labels))
    assert (len(split.validation), len(split.holdout)) == (validation, holdout)
    for part in parts(split):
        found = np.bincount(labels[part], minlength=len(counts))
        assert np.abs(found - np.array(counts) * len(part) / len(labels)).max() < 2


def test_equal_classes_are_divided_equally() -> None:
    labels = np.tile(np.arange(10), 50)
    split = make_split(labels, validation=53, holdout=50, seed=0)
    assert sorted(np.bincount(labels[split.validation])) == [5] * 7 + [6] * 3
    assert set(np.bincount(labels[split.train]) + np.bincount(labels[split.holdout])) == {44, 45}


def test_split_depends_on_the_seed_only() -> None:
    labels = np.tile(np.arange(4), 100)
    first, again, other = (make_split(labels, validation=40, holdout=40, seed=seed) for seed in (1, 1, 2))
    assert first.digest == again.digest
    assert first.digest != other.digest
    assert not np.array_equal(first.validation, other.validation)


def test_split_is_random_by_position() -> None:
    labels = np.zeros(1_000, dtype=np.int64)
    split = make_split(labels, validation=100, holdout=100, seed=0)
    for part in parts(split):
        assert abs(part.mean() - 500) < 100


def test_split_digest_depends_on_the_parts() -> None:
    one, two, three = (np.array([position], dtype=np.int64) for position in range(3))
    splits = [Split(one, two, three), Split(one, three, two), Split(np.concatenate([one, two]), three, three[:0])]
    assert len({split.digest for split in splits}) == 3


@pytest.mark.parametrize(("validation", "holdout"), [(5, 5), (11, 0), (0, 10), (-1, 2)])
def test_split_without_training_images_is_refused(validation: int, holdout: int) -> None:
    with pytest.raises(DataError, match="leave no training images"):
        make_split(np.zeros(10, dtype=np.int64), validation=validation, holdout=holdout, seed=0)


def test_another_data_set_is_divided_by_proportion() -> None:
    dataset = small_dataset(per_class_train=20)
    split = split_for(dataset)
    assert [len(part) for part in parts(split)] == [160, 20, 20]
    assert_divides(split, 200)
    assert np.bincount(dataset.training.labels_N[split.holdout]).tolist() == [2] * 10
    assert split_for(dataset).digest == split.digest


@pytest.mark.cifar10
def test_real_cifar10_has_the_stored_split() -> None:
    dataset = real_cifar10()
    split = split_for(dataset)
    assert split.digest == read_cifar10_split()[0].digest
    drawn = make_split(dataset.training.labels_N, validation=5_000, holdout=5_000, seed=SEED)
    assert drawn.digest == split.digest
    assert np.bincount(dataset.training.labels_N[split.validation]).tolist() == [500] * 10
    assert np.bincount(dataset.training.labels_N[split.holdout]).tolist() == [500] * 10
