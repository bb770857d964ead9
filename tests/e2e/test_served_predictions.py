"""Served predictions: images sent as PNG get the predictions stored with the evaluation."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.repository.predictions import load_predictions
from core.repository.repository import ModelRepository
from tests.support.cifar_files import real_cifar10
from tests.support.service import running_app, settings_for

MODELS = Path(__file__).resolve().parents[2] / "models"
IMAGES, PER_REQUEST = 300, 50
CHAMPIONS = ModelRepository(MODELS / "none", MODELS).champions()


def png(pixels_HWC: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels_HWC).save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.slow
@pytest.mark.cifar10
@pytest.mark.parametrize("family", sorted(CHAMPIONS))
async def test_served_predictions_equal_the_stored_ones(family: str, tmp_path: Path) -> None:
    test = real_cifar10().test
    repository = ModelRepository(tmp_path, MODELS)
    manifest = repository.manifest(family, CHAMPIONS[family])
    stored = load_predictions(repository.folder(family, CHAMPIONS[family]), "test")
    async with running_app(settings_for(tmp_path, shipped_models=MODELS)) as running:
        for precision in manifest.calibration:
            expected_NK = stored.probabilities[precision]
            for start in range(0, IMAGES, PER_REQUEST):
                rows = range(start, start + PER_REQUEST)
                files = [("file", (f"{row}.png", png(test.images_NHWC[row]))) for row in rows]
                url = f"/predict?model={family}&precision={precision}&top_k={len(manifest.class_names)}"
                answer = await running.client.post(url, files=files)
                assert answer.status_code == 200, answer.text
                for row, prediction in zip(rows, answer.json()["predictions"], strict=True):
                    assert prediction["filename"] == f"{row}.png"
                    assert prediction["label"] == manifest.class_names[expected_NK[row].argmax()]
                    given = {entry["label"]: entry["probability"] for entry in prediction["top"]}
                    served_K = [given[name] for name in manifest.class_names]
                    np.testing.assert_allclose(served_K, expected_NK[row], atol=2e-6)
