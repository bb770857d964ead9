"""A folder that changes between trainings: the new version is compared with the champion and promoted if better."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.gate import costs
from core.gate.promotion import Policy, promote_on_evidence
from core.gate.report import GateReport, GateThresholds
from core.repository.image_keys import (
    CHAMPION_PREDICTIONS_NAME,
    IMAGE_KEYS_NAME,
    load_champion_predictions,
    load_image_keys,
)
from core.repository.manifest import Manifest
from core.repository.repository import ModelRepository
from tests.support.labelled_folders import write_labelled_folder
from tests.support.training_runs import CPU, RecordingReporter, small_recipe
from training.pipeline import train as pipeline
from training.pipeline.requests import run_request

pytestmark = pytest.mark.slow

CLASSES = ("grass", "night", "snow")
THRESHOLDS = GateThresholds(min_shared_images=15)


def repository_of(home: Path) -> ModelRepository:
    return ModelRepository(home / "models", home / "shipped")


def train(home: Path, *, epochs: int, image_size: int = 8, learning_rate: float = 1e-2) -> Manifest:
    config = small_recipe("mlp", epochs=epochs, batch_size=16).with_overrides(
        {
            "image_size": image_size,
            "optimization.learning_rate": learning_rate,
            "augmentation.translate": 0,
            "augmentation.cutout": 0,
        }
    )
    return run_request(
        config, "folder:colors", "colors", repository_of(home), home / "runs" / "run",
        reporter=RecordingReporter(), threads=1, device=CPU,
    )  # fmt: skip


def promote(home: Path, manifest: Manifest, policy: Policy) -> GateReport:
    return promote_on_evidence(
        repository_of(home), "colors", manifest.version, policy=policy, thresholds=THRESHOLDS, actor="ada", reason="r"
    ).report  # fmt: skip


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose champion colors@1 has learned nothing."""
    home = tmp_path_factory.mktemp("first")
    write_labelled_folder(home, "colors", dict.fromkeys(CLASSES, 70))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DUET_HOME", str(home))
        patch.setattr(pipeline, "rehearse_export", lambda _classifier, _images: None)
        promote(home, train(home, epochs=1, learning_rate=1e-7), "always")
    return home


@pytest.fixture
def home(first: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    shutil.copytree(first, home)
    shutil.rmtree(home / "runs")
    monkeypatch.setenv("DUET_HOME", str(home))
    monkeypatch.setattr(costs, "CPU_SECONDS", 0.02)
    monkeypatch.setattr(pipeline, "rehearse_export", lambda _classifier, _images: None)
    return home


def add_images(home: Path) -> None:
    write_labelled_folder(home, "colors", dict.fromkeys(CLASSES, 90))


def add_a_class(home: Path) -> None:
    write_labelled_folder(home, "colors", {"sand": 40})


def correct_labels(home: Path) -> None:
    folder = home / "datasets" / "colors"
    for number in range(3):
        (folder / "night" / f"{number:04}").rename(folder / "snow" / f"corrected {number}")


def remove_images(home: Path) -> None:
    for number in range(10):
        (home / "datasets" / "colors" / "night" / f"{number:04}").unlink()


@pytest.mark.parametrize(
    ("change", "image_size"),
    [
        pytest.param(add_images, 8, id="images added"),
        pytest.param(add_a_class, 8, id="class added"),
        pytest.param(correct_labels, 8, id="labels corrected", marks=pytest.mark.full),
        pytest.param(remove_images, 8, id="images removed", marks=pytest.mark.full),
        pytest.param(add_images, 12, id="image size changed", marks=pytest.mark.full),
    ],
)
def test_better_version_of_a_changed_folder_is_promoted(
    home: Path, change: Callable[[Path], None], image_size: int
) -> None:
    change(home)
    manifest = train(home, epochs=10, image_size=image_size)
    report = promote(home, manifest, "if_better")
    assert report.ground == "significant_gain", report.summary
    assert repository_of(home).champion("colors") == 2
    assert report.shared is not None
    assert report.comparison is not None
    assert report.shared.images == report.comparison.images >= 15
    assert (report.shared.trained_on, report.shared.not_predicted) == (0, 0)
    assert [each.label for each in report.shared.new_classes] == (["sand"] if change is add_a_class else [])

    old, new = (repository_of(home).folder("colors", version) for version in (1, 2))
    before, after = load_image_keys(old), load_image_keys(new)
    assert not np.isin(after.holdout, before.trained).any()
    assert not np.isin(after.trained, before.holdout).any()
    [(reference, predicted)] = load_champion_predictions(new).items()
    assert (reference, predicted.keys.tolist()) == ("colors@1", after.holdout.tolist())


def test_unchanged_folder_is_compared_on_the_stored_predictions(home: Path) -> None:
    manifest = train(home, epochs=10)
    assert IMAGE_KEYS_NAME in manifest.files
    assert CHAMPION_PREDICTIONS_NAME not in manifest.files
    report = promote(home, manifest, "if_better")
    assert (report.ground, report.shared) == ("significant_gain", None)
