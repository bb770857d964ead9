"""Records for the gate that are written when a version is published: keys of images, and the champion's predictions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.repository.image_keys import (
    CHAMPION_PREDICTIONS_NAME,
    IMAGE_KEYS_NAME,
    ImageKeys,
    load_champion_predictions,
    load_image_keys,
    save_image_keys,
)
from core.repository.repository import ModelRepository
from tests.support.onnx_models import CLASSES as GRAYS
from tests.support.onnx_models import SIZE, brightness_of, write_onnx_version
from tests.support.versions import make_manifest, write_aliases
from training.data.split_dataset import Images
from training.data.splits import make_split
from training.data.types import ImageDataset, LabelledImages
from training.publish.holdout_champions import write_champion_predictions, write_image_keys

DATA = "folder:grays"
PER_CLASS = 10


def gray_images(*, keyed: bool = True) -> Images:
    """Ten images of each gray; two of each class are the holdout."""
    labels_N = np.repeat(np.arange(len(GRAYS)), PER_CLASS)
    grays_N = np.array([brightness_of(GRAYS[label]) for label in labels_N], np.uint8)
    images_NHWC = np.broadcast_to(grays_N[:, None, None, None], (len(labels_N), SIZE, SIZE, 3)).copy()
    keys_N = np.arange(100, 100 + len(labels_N), dtype=np.uint64) if keyed else None
    part = LabelledImages(images_NHWC, labels_N, keys_N)
    dataset = ImageDataset(DATA, GRAYS, part, part, "none", "stretch")
    return Images(dataset, make_split(labels_N, validation=5, holdout=10, seed=0))


@pytest.fixture
def repository(tmp_path: Path) -> ModelRepository:
    """The champion grays@1 was published on an earlier state of the folder."""
    repository = ModelRepository(tmp_path / "models", tmp_path / "shipped")
    save_image_keys(tmp_path, ImageKeys(np.array([1, 2], np.uint64), np.array([3], np.uint64)))
    write_onnx_version(
        repository.home_models / "grays" / "1",
        "grays",
        1,
        extra_files={IMAGE_KEYS_NAME: (tmp_path / IMAGE_KEYS_NAME).read_bytes()},
        data=make_manifest().data.model_copy(update={"name": DATA}),
    )
    write_aliases(repository.home_models, grays=1)
    return repository


def predict(folder: Path, images: Images, repository: ModelRepository) -> list[str]:
    notes: list[str] = []
    write_champion_predictions(folder, images, "stretch", repository, "grays", threads=1, note=notes.append)
    return notes


def test_keys_of_trained_and_holdout_images_are_stored(tmp_path: Path, repository: ModelRepository) -> None:
    images = gray_images()
    write_image_keys(tmp_path, images, ("train",), repository, None)
    stored = load_image_keys(tmp_path)
    assert stored.holdout.tolist() == [100 + position for position in images.split.holdout]
    assert stored.trained.tolist() == [100 + position for position in images.split.train]
    write_image_keys(tmp_path, images, ("train", "validation"), repository, None)
    assert len(load_image_keys(tmp_path).trained) == len(images.split.train) + 5


def test_keys_of_the_starting_version_count_as_trained_on(tmp_path: Path, repository: ModelRepository) -> None:
    write_image_keys(tmp_path, gray_images(), ("train",), repository, "grays@1")
    assert load_image_keys(tmp_path).trained.tolist()[:3] == [1, 2, 100 + gray_images().split.train[0]]


def test_champion_predicts_the_new_holdout(tmp_path: Path, repository: ModelRepository) -> None:
    images = gray_images()
    assert predict(tmp_path, images, repository) == []
    [(reference, found)] = load_champion_predictions(tmp_path).items()
    holdout = images.part("holdout")
    assert holdout.keys_N is not None
    assert (reference, found.keys.tolist()) == ("grays@1", holdout.keys_N.tolist())
    assert found.probabilities.argmax(axis=1).tolist() == holdout.labels_N.tolist()
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1, rtol=1e-5)


def test_data_without_keys_leaves_no_files(tmp_path: Path, repository: ModelRepository) -> None:
    images = gray_images(keyed=False)
    write_image_keys(tmp_path / "models", images, ("train",), repository, None)
    assert predict(tmp_path, images, repository) == []
    assert not (tmp_path / "models" / IMAGE_KEYS_NAME).exists()
    assert not (tmp_path / CHAMPION_PREDICTIONS_NAME).exists()


def test_damaged_champion_is_left_out_with_a_note(tmp_path: Path, repository: ModelRepository) -> None:
    (repository.home_models / "grays" / "1" / "model.onnx").unlink()
    [note] = predict(tmp_path, gray_images(), repository)
    assert note == "grays@1 cannot predict the holdout images: grays@1: model.onnx: missing"
    assert not (tmp_path / CHAMPION_PREDICTIONS_NAME).exists()


def test_family_without_champion_has_no_predictions(tmp_path: Path, repository: ModelRepository) -> None:
    write_aliases(repository.home_models)
    assert predict(tmp_path, gray_images(), repository) == []
    assert not (tmp_path / CHAMPION_PREDICTIONS_NAME).exists()
