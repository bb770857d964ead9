from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from core.images.decode import decode_image
from core.repository.graph_records import Calibration
from core.repository.manifest import GRADIENT_GRAPH, GRAPHS
from core.repository.onnx_session import open_session
from service.engine.arrays import Floats, Pixels
from service.engine.gradient_model import GradientModel
from service.engine.postprocess import RunBatch, with_postprocessing
from tests.support.training_runs import small_images, small_recipe
from training.export.gradients import export_gradient
from training.export.to_onnx import export_model
from training.networks import Classifier, initialize
from training.pipeline.train import new_classifier

CALIBRATION = Calibration(temperature=1.0, coverage=0.9, conformal_threshold=0.5, ood_threshold=0.0, ood_flag_rate=0.05)
PICTURE = Path(__file__).parents[3] / "docs" / "images" / "cat.jpg"


@dataclass(frozen=True)
class Pair:
    """A network and its exported graphs."""

    family: str
    network: Classifier
    run_batch: RunBatch
    gradients: GradientModel


def exported(family: str, network: Classifier, folder: Path) -> Pair:
    """Both graphs of a network for images of 32x32, opened as the service opens them."""
    folder.mkdir(parents=True)
    export_model(network, folder, height=32, width=32)
    export_gradient(network, folder, height=32, width=32)
    session = open_session(folder / GRAPHS["fp32"], threads=1)

    def run(images_NHWC: Pixels) -> Floats:
        logits_NK: Floats = session.run(["logits"], {"images": images_NHWC})[0]
        return logits_NK

    gradients = GradientModel(open_session(folder / GRADIENT_GRAPH, threads=1))
    return Pair(family, network, with_postprocessing(run, CALIBRATION), gradients)


@pytest.fixture(scope="session", params=["cnn", "mlp"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """A small network of each family with random weights; a shipped one takes minutes in float64.

    With this seed, no Grad-CAM map of the tests is zero everywhere.
    """
    family: str = request.param
    network = new_classifier(small_recipe(family), small_images())
    initialize(network, torch.Generator().manual_seed(4))
    return exported(family, network.eval(), tmp_path_factory.mktemp(family) / "exported")


@pytest.fixture(scope="session")
def images_NHWC() -> Pixels:
    """Four views of a photograph and one of noise, uint8 [5, 32, 32, 3]."""
    cat_HWC = decode_image(PICTURE.read_bytes(), height=64, width=64).pixels_HWC
    noise_HWC = np.random.default_rng(5).integers(0, 256, (32, 32, 3), np.uint8)
    views = [cat_HWC[::2, ::2], cat_HWC[:32, :32], cat_HWC[:32, 32:], cat_HWC[32:, 16:48], noise_HWC]
    return np.stack([np.ascontiguousarray(view) for view in views])


__all__ = ["Pair", "exported"]
