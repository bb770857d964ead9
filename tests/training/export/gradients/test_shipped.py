"""Gradient graphs of the shipped versions."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from captum.attr import Saliency

from core.files.home import shipped_models
from core.images.decode import decode_image
from core.repository.repository import ModelRepository
from tests.support.cifar_files import small_dataset
from tests.training.export.gradients.networks import exact_gradient, relative_errors, run
from training.data.preprocessing import scale_pixels
from training.export.gradients import check_gradient, export_gradient
from training.export.to_onnx import export_model
from training.export.weights import stored_classifier
from training.networks import Classifier

pytestmark = pytest.mark.slow

PICTURE = Path(__file__).parents[4] / "docs" / "images" / "cat.jpg"
Exported = tuple[Classifier, Path]


def pictures() -> npt.NDArray[np.uint8]:
    """Parts of a photograph, then the same with noise, uint8 [50, 32, 32, 3].

    Images without an object are avoided: networks trained with outlier exposure have such small activations on them
    that max-pooling has many ties in float32 and none in float64.
    """
    cat_HWC = decode_image(PICTURE.read_bytes(), height=96, width=96).pixels_HWC
    parts = [cat_HWC[top : top + 32, left : left + 32] for top in range(0, 65, 16) for left in range(0, 65, 16)]
    clear_NHWC = np.stack(parts)
    noise_NHWC = np.random.default_rng(0).integers(-24, 25, clear_NHWC.shape)
    return np.concatenate([clear_NHWC, np.clip(clear_NHWC + noise_NHWC, 0, 255).astype(np.uint8)])


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


def test_gradients_agree_with_float64_on_pictures_clear_and_noisy(exported: Exported) -> None:
    classifier, folder = exported
    record = check_gradient(folder, classifier, pictures(), threads=1)
    assert record.max_relative_error < 2e-6
    assert record.other_pieces <= 5


@pytest.mark.parametrize("family", ["mlp", "cnn"])
def test_shipped_champion_gradient_matches(family: str, tmp_path: Path) -> None:
    repository = ModelRepository(tmp_path, shipped_models())
    family, version = repository.resolve(family)
    manifest, folder = repository.verify(family, version), repository.folder(family, version)
    assert manifest.gradient is not None
    assert manifest.gradient.images == 256
    record = check_gradient(folder, stored_classifier(manifest, folder), pictures()[::3], threads=1)
    assert record.max_relative_error < 2e-6


@pytest.mark.slow
def test_saliency_matches_captum(exported: Exported) -> None:
    classifier, folder = exported
    pixels_NHWC = scale_pixels(small_dataset().test.images_NHWC[:10])
    target_NK = np.eye(10, dtype=np.float32)
    gradient_NHWC = run(folder, pixels_NHWC, target_NK)["gradient"]
    pixels = torch.from_numpy(pixels_NHWC).requires_grad_()
    maps_NHWC = Saliency(classifier).attribute(pixels, target=torch.arange(10), abs=False).numpy()
    # A few images may be in a neighboring region in one of the two, so the median is compared.
    errors_N = relative_errors(gradient_NHWC, maps_NHWC)
    assert np.median(errors_N) < 1e-5
    assert errors_N.max() < 0.02
    assert relative_errors(gradient_NHWC, exact_gradient(classifier, pixels_NHWC, target_NK)).max() < 0.02
