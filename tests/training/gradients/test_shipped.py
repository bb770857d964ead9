"""The weights that ship with the project, trained and not small."""

from pathlib import Path

import numpy as np
import pytest
import torch
from captum.attr import Saliency

from core.home import shipped_models
from core.repository import ModelRepository
from tests.support.cifar_files import small_dataset
from tests.training.gradients.networks import exact_gradient, relative_errors, run
from training.export import export_model
from training.gradients import check_gradient, export_gradient
from training.networks import Classifier
from training.preprocessing import scale_pixels
from training.republish import stored_classifier

Exported = tuple[Classifier, Path]


@pytest.fixture(scope="module", params=["mlp", "cnn"])
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    repository = ModelRepository(tmp_path_factory.mktemp("home"), shipped_models())
    family, version = repository.resolve(request.param)
    manifest = repository.manifest(family, version)
    classifier, folder = (
        stored_classifier(manifest, repository.folder(family, version)),
        tmp_path_factory.mktemp(family),
    )
    export_model(classifier, folder, height=manifest.input.height, width=manifest.input.width)
    export_gradient(classifier, folder, height=manifest.input.height, width=manifest.input.width)
    return classifier, folder


@pytest.mark.slow
def test_gradients_agree_with_float64_on_pictures_and_on_noise(exported: Exported) -> None:
    classifier, folder = exported
    noise_NHWC = np.random.default_rng(0).integers(0, 256, (24, 32, 32, 3), dtype=np.uint8)
    images_NHWC = np.concatenate([small_dataset().test.images_NHWC[:24], noise_NHWC])
    record = check_gradient(folder, classifier, images_NHWC, threads=1)
    assert record.max_relative_error < 2e-6
    assert record.other_pieces <= 5


@pytest.mark.slow
@pytest.mark.parametrize("family", ["mlp", "cnn"])
def test_the_champion_s_own_file_agrees_as_well(family: str, tmp_path: Path) -> None:
    repository = ModelRepository(tmp_path, shipped_models())
    family, version = repository.resolve(family)
    manifest, folder = repository.verify(family, version), repository.folder(family, version)
    assert manifest.gradient is not None
    assert manifest.gradient.images == 256
    noise_NHWC = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), dtype=np.uint8)
    images_NHWC = np.concatenate([small_dataset().test.images_NHWC[:8], noise_NHWC])
    record = check_gradient(folder, stored_classifier(manifest, folder), images_NHWC, threads=1)
    assert record.max_relative_error < 2e-6


@pytest.mark.slow
def test_captum_s_saliency_agrees(exported: Exported) -> None:
    classifier, folder = exported
    pixels_NHWC = scale_pixels(small_dataset().test.images_NHWC[:10])
    target_NK = np.eye(10, dtype=np.float32)
    gradient_NHWC = run(folder, pixels_NHWC, target_NK)["gradient"]
    pixels = torch.from_numpy(pixels_NHWC).requires_grad_()
    maps_NHWC = Saliency(classifier).attribute(pixels, target=torch.arange(10), abs=False).numpy()
    # An image or two may lie beyond a kink in one of the two; the median may not.
    errors_N = relative_errors(gradient_NHWC, maps_NHWC)
    assert np.median(errors_N) < 1e-5
    assert errors_N.max() < 0.02
    assert relative_errors(gradient_NHWC, exact_gradient(classifier, pixels_NHWC, target_NK)).max() < 0.02
