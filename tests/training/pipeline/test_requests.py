"""Training requests: image folders, and starting from another version."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from core.errors import CheckpointError, ConfigurationError, DataError
from core.recipes import RecipeConfig
from core.repository.evaluation import read_evaluation
from core.repository.manifest import Manifest
from core.repository.repository import ModelRepository
from tests.support.labelled_folders import write_labelled_folder
from tests.support.training_runs import CPU, RecordingReporter, small_images, small_recipe
from training.evaluation.reproduce import require_same_classes
from training.pipeline.requests import images_for, load_training_images, run_request
from training.pipeline.train import new_classifier

pytestmark = pytest.mark.slow

COLORS = {"night": 14, "grass": 16, "snow": 12}
DATA = "folder:colors"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DUET_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def repository(home: Path) -> ModelRepository:
    return ModelRepository(home / "models", home / "shipped")


def recipe(kind: str = "mlp", **overrides: Any) -> RecipeConfig:
    return small_recipe(kind, **{"batch_size": 16, **overrides})


def run(
    config: RecipeConfig,
    repository: ModelRepository,
    *,
    reporter: RecordingReporter | None = None,
    resume: bool = False,
) -> Manifest:
    return run_request(
        config,
        DATA,
        "colors",
        repository,
        repository.home_models.parent / "runs" / "run",
        reporter=reporter or RecordingReporter(),
        threads=1,
        device=CPU,
        resume=resume,
    )


def test_folder_run_publishes_its_classes_and_image_size(home: Path, repository: ModelRepository) -> None:
    path = write_labelled_folder(home, "colors", COLORS, mixed=True)
    (path / "night" / "broken.png").write_bytes(b"x")
    reporter = RecordingReporter()
    manifest = run(recipe(epochs=2, image_size=20), repository, reporter=reporter)
    assert repository.verify("colors", 1) == manifest
    assert manifest.class_names == ("grass", "night", "snow")
    assert (manifest.input.height, manifest.input.width) == (20, 20)
    assert manifest.data.name == DATA
    assert sum(manifest.data.counts.values()) == sum(COLORS.values())
    assert manifest.derived_from is None
    evaluation = read_evaluation(repository.folder("colors", 1))
    assert evaluation.class_names == manifest.class_names
    assert evaluation.data.images == manifest.data.counts["test"]
    assert reporter.stages[0] == "read folder:colors"
    assert any("broken.png" in note for note in reporter.notes)
    assert f"datasets: [{json.dumps(DATA)}]" in (repository.folder("colors", 1) / "README.md").read_text()
    assert images_for(manifest).dataset.digest == manifest.data.digest
    write_labelled_folder(home, "others", COLORS)
    assert images_for(manifest, "folder:others").dataset.test.images_NHWC.shape[1:] == (20, 20, 3)


@pytest.mark.full
def test_tiny_folder_gives_no_overconfident_model(home: Path, repository: ModelRepository) -> None:
    write_labelled_folder(home, "colors", {"night": 4, "snow": 4})
    manifest = run(recipe(epochs=10), repository)
    assert manifest.metrics.holdout_accuracy == 1.0
    calibration = manifest.calibration["fp32"]
    # With two holdout images every class is in every prediction set, and the temperature stays moderate.
    assert calibration.conformal_threshold == 0.0
    assert calibration.temperature > 0.2
    scores = read_evaluation(repository.folder("colors", 1)).scores["fp32"]
    assert scores.prediction_sets.mean_size == 2.0
    assert 0 < scores.log_loss < 1


def test_image_size_and_images_are_checked_on_resume(home: Path, repository: ModelRepository) -> None:
    write_labelled_folder(home, "colors", COLORS)
    with pytest.raises(KeyboardInterrupt):
        run(recipe(), repository, reporter=RecordingReporter(stop_after=1))
    with pytest.raises(CheckpointError, match="image_size was 32, now 16"):
        run(recipe(image_size=16), repository, resume=True)
    write_labelled_folder(home, "colors", {"night": 15})
    with pytest.raises(CheckpointError, match="different data"):
        run(recipe(), repository, resume=True)


@pytest.mark.full
def test_version_records_the_geometry_of_its_images(home: Path, repository: ModelRepository) -> None:
    write_labelled_folder(home, "colors", COLORS)
    manifest = run(recipe(epochs=1), repository)
    assert (manifest.input.geometry, manifest.config["geometry"]) == ("crop", "crop")
    assert "cropped to the center square" in (repository.folder("colors", 1) / "README.md").read_text()
    padded = run(recipe(epochs=1, geometry="pad"), repository)
    assert (padded.input.geometry, padded.config["geometry"]) == ("pad", "pad")
    assert padded.data.digest != manifest.data.digest
    assert images_for(padded).dataset.digest == padded.data.digest
    with pytest.raises(
        DataError, match="colors@1 uses geometry crop, but the images of folder:colors were loaded with pad"
    ):
        require_same_classes(manifest, images_for(padded))


def test_geometry_is_inherited_from_init_from(home: Path, repository: ModelRepository) -> None:
    write_labelled_folder(home, "colors", COLORS)
    run(recipe(epochs=1, geometry="stretch"), repository)
    tuned, images = load_training_images(recipe(init_from="colors@1"), DATA, repository)
    assert (tuned.geometry, images.dataset.geometry) == ("stretch", "stretch")
    changed, images = load_training_images(recipe(init_from="colors@1", geometry="crop"), DATA, repository)
    assert (changed.geometry, images.dataset.geometry) == ("crop", "crop")


def test_built_in_data_set_rejects_another_image_size(
    monkeypatch: pytest.MonkeyPatch, repository: ModelRepository
) -> None:
    from training.data import load

    images = small_images()
    monkeypatch.setattr(load, "load_dataset", lambda *_, **__: images.dataset)
    config, _ = load_training_images(recipe(), "cifar10", repository)
    assert (config.image_size, config.geometry) == (None, None)
    assert load_training_images(recipe(image_size=32), "cifar10", repository)[1].dataset is images.dataset
    with pytest.raises(DataError, match="32x32 and cannot be resized"):
        load_training_images(recipe(image_size=48), "cifar10", repository)


def test_shifts_as_large_as_the_image_are_refused(home: Path, repository: ModelRepository) -> None:
    write_labelled_folder(home, "colors", COLORS)
    settings: dict[str, Any] = {"image_size": 8, "augmentation.translate": 8}
    with pytest.raises(ConfigurationError, match=r"translate is 8, but the images are only 8 pixels"):
        load_training_images(recipe(**settings), DATA, repository)


def test_constant_images_have_a_positive_normalization_std() -> None:
    images = small_images()
    images.dataset.training.images_NHWC[:] = 7
    classifier = new_classifier(recipe(), images).eval()
    assert torch.isfinite(classifier(torch.full((1, 32, 32, 3), 7 / 255))).all()


def test_unequal_classes_are_sampled_equally(home: Path, repository: ModelRepository) -> None:
    write_labelled_folder(home, "colors", {"night": 60, "grass": 6})
    notes: list[str] = []
    config, _ = load_training_images(recipe(), DATA, repository, note=notes.append)
    assert config.sampling == "balanced"
    assert any("each is drawn equally often (sampling=balanced)" in note for note in notes)
    config, _ = load_training_images(recipe(sampling="uniform"), DATA, repository)
    assert config.sampling == "uniform"
    write_labelled_folder(home, "colors", {"grass": 60})
    config, _ = load_training_images(recipe(), DATA, repository)
    assert config.sampling == "uniform"
