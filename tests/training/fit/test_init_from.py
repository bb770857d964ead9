"""Initialization from a version (`init_from`): copied weights, new last layer and errors."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from core.errors import CheckpointError, ConfigurationError, CorruptVersionError, UnknownVersionError
from core.recipes import RecipeConfig
from core.repository.manifest import Manifest
from core.repository.repository import ModelRepository
from tests.support.labelled_folders import write_labelled_folder
from tests.support.training_runs import RecordingReporter, small_recipe, train_version
from training.data.image_folder import load_folder
from training.data.split_dataset import Images
from training.export.weights import read_weights
from training.fit.init_from import Start, initial_weights, read_start
from training.networks import Classifier, build_classifier
from training.publish.republish import republish
from training.run.checkpoint import load_checkpoint

pytestmark = pytest.mark.slow

COLORS = {"night": 14, "grass": 16, "snow": 12}


@dataclass(frozen=True)
class Base:
    """A published version, `base@1`, with its images."""

    repository: ModelRepository
    manifest: Manifest
    weights: Mapping[str, Tensor]
    images: Images


def recipe(kind: str = "mlp", **overrides: Any) -> RecipeConfig:
    return small_recipe(kind, **{"batch_size": 16, "image_size": 16, **overrides})


def folder_images(home: Path, counts: dict[str, int], *, image_size: int = 16) -> Images:
    write_labelled_folder(home, "colors", counts)
    return Images(*load_folder("colors", image_size=image_size, home=home))


def run(
    config: RecipeConfig,
    repository: ModelRepository,
    images: Images,
    folder: Path,
    *,
    reporter: RecordingReporter | None = None,
    resume: bool = False,
    family: str = "colors",
) -> Manifest:
    return train_version(config, images, repository, family, folder, reporter=reporter, resume=resume)


def trained(config: RecipeConfig, base: Base, images: Images, folder: Path) -> dict[str, Tensor]:
    """The weights after all epochs, before publishing."""
    with pytest.raises(KeyboardInterrupt):
        run(config, base.repository, images, folder, reporter=RecordingReporter(stop_after=config.epochs))
    return load_checkpoint(folder).network


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Base:
    home = tmp_path_factory.mktemp("home")
    images = folder_images(home, COLORS)
    repository = ModelRepository(home / "models", home / "shipped")
    manifest = run(recipe(epochs=4), repository, images, home / "run", family="base")
    return Base(repository, manifest, read_weights(repository.folder("base", 1)), images)


@pytest.mark.parametrize("more", [{}, {"sand": 9}])
def test_init_from_copies_weights_and_normalization(more: dict[str, int], base: Base, tmp_path: Path) -> None:
    images = folder_images(tmp_path, COLORS | more)
    settings: dict[str, Any] = {"init_from": "base@1", "epochs": 1, "optimization.learning_rate": 1e-12}
    config = recipe(**settings)
    now = trained(config, base, images, tmp_path / "run")
    changed = {name for name, tensor in base.weights.items() if not equal(tensor, now[name])}
    assert changed == ({"network.7.weight", "network.7.bias"} if more else set())
    assert now["network.7.weight"].shape[0] == 3 + len(more)


def equal(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.allclose(one, other, atol=1e-6)


def test_run_with_init_from_resumes_to_the_same_weights(base: Base, tmp_path: Path) -> None:
    config = recipe(init_from="base@1")
    whole = trained(config, base, base.images, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(config, base.repository, base.images, tmp_path / "parts", reporter=RecordingReporter(stop_after=1))
    with pytest.raises(CheckpointError, match="init_from was 'base@1', now None"):
        run(recipe(), base.repository, base.images, tmp_path / "parts", resume=True)
    reporter = RecordingReporter(stop_after=config.epochs)
    with pytest.raises(KeyboardInterrupt):
        run(config, base.repository, base.images, tmp_path / "parts", reporter=reporter, resume=True)
    parts = load_checkpoint(tmp_path / "parts").network
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


@pytest.mark.full
def test_provenance_names_init_from_also_after_republish(base: Base, tmp_path: Path) -> None:
    config = recipe(init_from="base@1", epochs=1)
    manifest = run(config, base.repository, base.images, tmp_path / "run")
    assert (manifest.derived_from, manifest.config["init_from"]) == ("base@1", "base@1")
    assert manifest.input == base.manifest.input
    assert manifest.licence.provenance == "Trained from the weights of base@1 by Duet's recipe mlp_baseline."
    again = republish(base.repository, "colors", 1, base.images, reporter=RecordingReporter())
    assert (again.derived_from, again.licence.provenance) == ("colors@1", manifest.licence.provenance)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"init_from": "base@9"}, UnknownVersionError, "unknown version 9 of base"),
        ({"network.hidden": [16]}, ConfigurationError, r"network.hidden is \[32, 16\] there, \[16\] here"),
        ({"network.activation": "tanh"}, ConfigurationError, "network.activation is 'relu' there, 'tanh' here"),
    ],
)
def test_init_from_mismatch_is_refused_before_training(
    changes: dict[str, Any], error: type[Exception], message: str, base: Base, tmp_path: Path
) -> None:
    reporter = RecordingReporter()
    with pytest.raises(error, match=message):
        run(recipe(**{"init_from": "base@1", **changes}), base.repository, base.images, tmp_path, reporter=reporter)
    assert reporter.steps == []


def test_init_from_another_image_size_is_refused(base: Base, tmp_path: Path) -> None:
    images = folder_images(tmp_path, COLORS, image_size=24)
    with pytest.raises(ConfigurationError, match="takes images of 16x16 pixels: set image_size to that size"):
        run(recipe(init_from="base@1", image_size=24), base.repository, images, tmp_path / "run")


def test_damaged_version_is_refused(base: Base, tmp_path: Path) -> None:
    copy = ModelRepository(tmp_path / "models", base.repository.shipped)
    shutil.copytree(base.repository.home_models, copy.home_models)
    weights = copy.folder("base", 1) / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(CorruptVersionError, match=r"weights\.safetensors"):
        run(recipe(init_from="base@1"), copy, base.images, tmp_path / "run")


def network(classes: int) -> Classifier:
    config = small_recipe("cnn").network
    return build_classifier(config, height=16, width=16, classes=classes, mean=[0.5] * 3, std=[0.2] * 3)


@pytest.mark.parametrize(
    ("class_names", "drawn_anew"),
    [
        (("grass", "night", "snow"), set()),
        (("grass", "night", "white"), {"network.head.4.weight", "network.head.4.bias"}),
        (("grass", "night"), {"network.head.4.weight", "network.head.4.bias"}),
    ],
)
def test_other_classes_get_a_new_last_layer(class_names: tuple[str, ...], drawn_anew: set[str], base: Base) -> None:
    stored = network(3)
    start = Start(base.manifest, stored.state_dict())
    taken = initial_weights(network(len(class_names)), start, class_names)
    assert set(stored.state_dict()) - set(taken) == drawn_anew
    assert any(name.endswith("running_mean") for name in taken)


def test_read_start_without_init_from_is_none(base: Base) -> None:
    assert read_start(recipe(), base.images, base.repository) is None
