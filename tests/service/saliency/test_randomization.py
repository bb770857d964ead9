"""Cascading randomization (Adebayo et al. 2018): a map independent of the weights does not explain the model."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import nn

from core.repository.manifest import read_manifest
from service.engine.arrays import Pixels
from service.saliency.methods import MethodName
from tests.service.saliency.conftest import exported
from tests.support.explanations import explained, parameters
from tests.support.versions import predecessor, shipped_folder
from training.export.weights import stored_classifier
from training.networks import Classifier

pytestmark = pytest.mark.full


def randomized(network: Classifier, layers: int) -> Classifier:
    """A copy whose last layers have fresh weights."""
    changed = copy.deepcopy(network)
    weighted = [layer for layer in changed.modules() if isinstance(layer, nn.Linear | nn.Conv2d)]
    torch.manual_seed(0)
    for layer in weighted[-layers:]:
        layer.reset_parameters()
    return changed


@pytest.mark.parametrize(
    ("family", "methods"),
    [
        ("cnn", ("saliency", "input_x_gradient", "smoothgrad", "integrated_gradients", "grad_cam", "occlusion")),
        ("mlp", ("saliency", "input_x_gradient", "smoothgrad", "integrated_gradients", "occlusion")),
    ],
)
async def test_random_weights_change_the_maps(
    family: str, methods: tuple[MethodName, ...], images_NHWC: Pixels, tmp_path: Path
) -> None:
    folder = shipped_folder(family, predecessor(family))
    network = stored_classifier(read_manifest(folder), folder)
    told = parameters(steps=8, window=8, stride=4)
    maps = []
    for layers in (0, 1, 3):
        pair = exported(family, randomized(network, layers) if layers else network, tmp_path / str(layers))
        maps.append(
            {
                method: [
                    (await explained(method, pair.run_batch, pair.gradients, view_HWC, 3, told)).map_HW
                    for view_HWC in images_NHWC[:4]
                ]
                for method in methods
            }
        )
    for method in methods:
        one, three = (
            float(np.mean([spearmanr(old.ravel(), new.ravel()).statistic for old, new in pairs]))
            for pairs in (list(zip(maps[0][method], each[method], strict=True)) for each in maps[1:])
        )
        # Occlusion outlives the last layer best: covering much of the image moves the features under it all alike.
        assert one < (0.95 if method == "occlusion" else 0.8), (method, one)
        # The saliency of the cnn is unsigned and follows the edges of the image to some degree for any weights. With
        # the default noise, SmoothGrad is similar to it.
        edges = family == "cnn" and method in ("saliency", "smoothgrad")
        assert abs(three) < (0.7 if edges else 0.5), (method, three)
