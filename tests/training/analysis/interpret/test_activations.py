from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.records.explanations import Activations
from tests.support.published_pair import PublishedPair
from training.analysis.interpret import activations
from training.analysis.interpret.activations import Model, make_activations

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("activations")


@pytest.fixture(scope="module")
def made(pair: PublishedPair, models: tuple[Model, Model], folder: Path) -> Activations:
    return make_activations(models, pair.images, folder, threads=1, quick=True)


def test_activations_have_all_classes_and_channels(made: Activations, pair: PublishedPair, folder: Path) -> None:
    mlp, cnn = made.models
    names = pair.images.dataset.class_names
    assert [image.name for image in mlp.images] == list(names)
    assert [image.kind for image in cnn.images] == ["class"] * 10 + ["channel"] * 4
    assert {image.name.split(",")[0] for image in cnn.images[10:]} == {"block 1", "block 2"}
    assert Activations.model_validate_json(made.model_dump_json()) == made
    for image in (*mlp.images, *cnn.images):
        assert np.asarray(Image.open(folder / image.file)).shape == (32, 32, 3)
    assert np.mean([image.excitation > image.before for image in cnn.images[10:]]) >= 0.75
    assert made.class_objective == "log_odds"
    for images in (mlp.images, cnn.images[:10]):
        # Before the ascent, nearly the same gray for every class, this is a tenth.
        assert np.mean([image.own_probability for image in images]) > 0.1


def test_activation_scores_are_those_of_the_graphs(
    made: Activations, models: tuple[Model, Model], pair: PublishedPair, folder: Path
) -> None:
    mlp, cnn = models
    image = made.models[0].images[4]
    pixels_NHWC = np.asarray(Image.open(folder / image.file))[None]
    assert image.own_probability == pytest.approx(mlp.probabilities(pixels_NHWC, threads=1)[0, 4], abs=1e-6)
    assert image.other_probability == pytest.approx(cnn.probabilities(pixels_NHWC, threads=1)[0, 4], abs=1e-6)
    training = pair.images.dataset.training
    assert image.nearest.label == pair.images.dataset.class_names[training.labels_N[image.nearest.position]]


def test_activations_of_an_earlier_run_are_reused(
    made: Activations, models: tuple[Model, Model], pair: PublishedPair, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activations, "maximize", None)
    assert make_activations(models, pair.images, folder, threads=1, quick=True) == made
