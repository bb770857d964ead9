"""Gradient graphs of the shipped versions."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from core.files.home import shipped_models
from core.images.decode import decode_image
from core.repository.repository import ModelRepository
from training.export.gradients import check_gradient, export_gradient
from training.export.to_onnx import export_model
from training.export.weights import stored_classifier

pytestmark = pytest.mark.full

PICTURE = Path(__file__).parents[4] / "docs" / "images" / "cat.jpg"


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


@pytest.mark.parametrize("family", ["mlp", "cnn"])
def test_new_export_of_a_champion_agrees_with_float64(family: str, tmp_path: Path) -> None:
    repository = ModelRepository(tmp_path, shipped_models())
    family, version = repository.resolve(family)
    manifest = repository.manifest(family, version)
    classifier = stored_classifier(manifest, repository.folder(family, version))
    export_model(classifier, tmp_path, height=manifest.input.height, width=manifest.input.width)
    export_gradient(classifier, tmp_path, height=manifest.input.height, width=manifest.input.width)
    record = check_gradient(tmp_path, classifier, pictures(), threads=1)
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
